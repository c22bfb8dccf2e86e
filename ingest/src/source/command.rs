//! The output of a dump command. Only a command that ended well makes a snapshot.

use std::ffi::OsString;

use nightfold_repo::format::Content;

use super::{Outlet, Segment, SharedRepository, read_stream};
use crate::error::{Error, Failure, NO_SNAPSHOT, Result};
use crate::process::Program;

/// Runs a command and stores what it writes to standard output.
pub(crate) fn read_command(
    repository: &SharedRepository,
    name: &[u8],
    argv: &[OsString],
    previous: Option<Content>,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::Command {
            program: "the command".to_owned(),
            how: "was not given".to_owned(),
            consequence: NO_SNAPSHOT,
            stderr_tail: Vec::new(),
        });
    };
    let (cancel, shown) = (outlet.cancel(), program.to_string_lossy());
    let command = Program::new(program, NO_SNAPSHOT).args(arguments);
    let ((), tail) = command.run(cancel, |pipes| {
        read_stream(repository, name, pipes.stdout, previous, outlet)
    })?;
    for line in tail {
        let warning = Failure::new(name, format!("{shown} said: {line}"));
        outlet.send(Segment::Warning(warning))?;
    }
    Ok(())
}
