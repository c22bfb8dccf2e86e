//! Where passwords come from: the environment, files, commands, or a prompt; never an argument.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use nightfold_ingest::Secret;
use nightfold_repo::repository::Password;
use zeroize::Zeroizing;

use crate::config::{Config, SourceConfig};
use crate::exit::{Error, Result};
use crate::machine::from_environment;

/// No password file or command prints more, in bytes.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// A password and, in words, where it came from.
pub struct Found {
    /// The password.
    pub password: Password,
    /// Its origin.
    pub origin: String,
}

/// Options for the password of a repository that is read from, beside the one that is written to.
#[derive(Debug, Args)]
pub struct FromPassword {
    /// A file whose first line is the password of the repository to read from
    /// [env: NIGHTFOLD_FROM_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "from_password_command")]
    from_password_file: Option<PathBuf>,
    /// A shell command that prints it [env: NIGHTFOLD_FROM_PASSWORD_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    from_password_command: Option<String>,
}

impl FromPassword {
    /// The password, if an option or the environment names it.
    pub fn configured(&self) -> Result<Option<Found>> {
        if let Some(path) = &self.from_password_file {
            return file(path, "--from-password-file").map(Some);
        }
        if let Some(line) = &self.from_password_command {
            return command(line, "--from-password-command").map(Some);
        }
        in_environment("NIGHTFOLD_FROM_PASSWORD")
    }

    /// The password, asked for if nothing names it.
    pub fn existing(&self) -> Result<Found> {
        if let Some(found) = self.configured()? {
            return Ok(found);
        }
        let hint = "give --from-password-file or --from-password-command, or set NIGHTFOLD_FROM_PASSWORD_FILE, \
             NIGHTFOLD_FROM_PASSWORD_COMMAND or NIGHTFOLD_FROM_PASSWORD";
        let password = prompt("Password of the repository to read from: ", hint)?;
        checked(password, "the prompt".to_owned())
    }
}

/// Options for the password of a database.
#[derive(Debug, Default, Args)]
pub struct DatabasePassword {
    /// A file whose first line is the password of the database [env: NIGHTFOLD_DATABASE_PASSWORD_FILE]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "database_password_command"
    )]
    database_password_file: Option<PathBuf>,
    /// A shell command that prints it [env: NIGHTFOLD_DATABASE_PASSWORD_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    database_password_command: Option<String>,
}

impl DatabasePassword {
    /// The password that options, environment or the source's configuration name, if any: the tools of databases look
    /// in their own files too.
    pub fn find(&self, configured: Option<&SourceConfig>) -> Result<Option<Secret>> {
        let found = if let Some(path) = &self.database_password_file {
            Some(file(path, "--database-password-file")?)
        } else if let Some(line) = &self.database_password_command {
            Some(command(line, "--database-password-command")?)
        } else if let Some(found) = in_environment("NIGHTFOLD_DATABASE_PASSWORD")? {
            Some(found)
        } else if let Some(path) = configured.and_then(|source| source.password_file.as_ref()) {
            Some(file(path, "password-file of the source")?)
        } else {
            let line = configured.and_then(|source| source.password_command.as_deref());
            line.map(|line| command(line, "password-command of the source"))
                .transpose()?
        };
        Ok(found.map(|found| Secret::new(found.password)))
    }
}

/// The repository's password.
pub fn existing(config: &Config) -> Result<Found> {
    if let Some(found) = configured(config)? {
        return Ok(found);
    }
    let password = prompt("Password of the repository: ", NO_PASSWORD)?;
    checked(password, "the prompt".to_owned())
}

/// The password of a repository to be made.
pub fn first(config: &Config) -> Result<Found> {
    match configured(config)? {
        Some(found) => Ok(found),
        None => prompt_twice(NO_PASSWORD),
    }
}

/// A further password, for `key add` and `key passwd`.
pub fn new() -> Result<Found> {
    if let Some(found) = variable("NIGHTFOLD_NEW_PASSWORD")? {
        return Ok(found);
    }
    if let Some(path) = from_environment("NIGHTFOLD_NEW_PASSWORD_FILE") {
        return file(&path, "NIGHTFOLD_NEW_PASSWORD_FILE");
    }
    prompt_twice("set NIGHTFOLD_NEW_PASSWORD_FILE or NIGHTFOLD_NEW_PASSWORD")
}

const NO_PASSWORD: &str = "set NIGHTFOLD_PASSWORD_FILE, NIGHTFOLD_PASSWORD_COMMAND or NIGHTFOLD_PASSWORD, \
     or password-file or password-command in nightfold.toml";

/// The password that environment or configuration name, if any.
pub fn configured(config: &Config) -> Result<Option<Found>> {
    if let Some(found) = in_environment("NIGHTFOLD_PASSWORD")? {
        return Ok(Some(found));
    }
    if let Some(path) = &config.password_file {
        return file(path, "password-file").map(Some);
    }
    let line = config.password_command.as_deref();
    line.map(|line| command(line, "password-command"))
        .transpose()
}

/// The password in the variable of this name, in the file that `<name>_FILE` names, or by the command in
/// `<name>_COMMAND`.
fn in_environment(name: &str) -> Result<Option<Found>> {
    if let Some(found) = variable(name)? {
        return Ok(Some(found));
    }
    let from_file = format!("{name}_FILE");
    if let Some(path) = from_environment(&from_file) {
        return file(&path, &from_file).map(Some);
    }
    let from_command = format!("{name}_COMMAND");
    match std::env::var(&from_command) {
        Ok(line) if !line.is_empty() => command(&line, &from_command).map(Some),
        _ => Ok(None),
    }
}

fn variable(name: &str) -> Result<Option<Found>> {
    use std::os::unix::ffi::OsStringExt as _;
    let Some(value) = std::env::var_os(name) else {
        return Ok(None);
    };
    let password = Zeroizing::new(value.into_vec());
    checked(password, name.to_owned()).map(Some)
}

fn file(path: &Path, set_by: &str) -> Result<Found> {
    let failed = |error: io::Error| {
        let message = format!("cannot read the password file {}: {error}", path.display());
        Error::failed(message, format!("it is named by {set_by}"))
    };
    let password = File::open(path).and_then(first_line).map_err(failed)?;
    checked(password, format!("{set_by} ({})", path.display()))
}

fn command(line: &str, set_by: &str) -> Result<Found> {
    let failed = |how: String| {
        let hint = "run it by hand: it must print the password and end with status 0";
        Error::failed(format!("the command in {set_by} {how}"), hint)
    };
    // Its standard input is not ours: that may be the dump.
    let child = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| failed(format!("cannot be started: {error}")))?;
    let read = child.stdout.take().map(first_line);
    let status = child
        .wait()
        .map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    if !status.success() {
        return Err(failed(format!("failed: {status}")));
    }
    let password = read
        .unwrap_or_else(|| Ok(Password::default()))
        .map_err(|error| failed(format!("cannot be read from: {error}")))?;
    checked(password, format!("the command in {set_by}"))
}

/// The first line without its end, so that an editor's newline is no part of the password.
fn first_line(from: impl Read) -> io::Result<Password> {
    let mut all = Zeroizing::new(Vec::with_capacity(4096));
    from.take(PASSWORD_BYTES_MAX).read_to_end(&mut all)?;
    let line = all.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Zeroizing::new(
        line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
    ))
}

fn prompt_twice(hint: &str) -> Result<Found> {
    let password = prompt("New password: ", hint)?;
    if password != prompt("The same again: ", hint)? {
        return Err(Error::failed("the two passwords differ", ""));
    }
    checked(password, "the prompt".to_owned())
}

fn prompt(text: &str, hint: &str) -> Result<Password> {
    if !io::stdin().is_terminal() {
        let message = "a password is needed, and there is no terminal to ask for it";
        return Err(Error::failed(message, hint));
    }
    rpassword::prompt_password(text)
        .map(|password| Zeroizing::new(password.into_bytes()))
        .map_err(|error| Error::failed(format!("cannot ask for the password: {error}"), hint))
}

/// An empty password is what a mistyped variable makes of itself.
fn checked(password: Password, origin: String) -> Result<Found> {
    if password.is_empty() {
        return Err(Error::failed(
            format!("the password from {origin} is empty"),
            "",
        ));
    }
    Ok(Found { password, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_counts() {
        for text in ["secret", "secret\n", "secret\r\n", "secret\nmore\n"] {
            let line = first_line(text.as_bytes()).unwrap();
            assert_eq!(line.as_slice(), b"secret", "{text:?}");
        }
        assert_eq!(
            first_line(&b" with spaces \n"[..]).unwrap().as_slice(),
            b" with spaces "
        );
    }

    #[test]
    fn a_commands_output_is_the_password() {
        let found = command("echo secret; echo more", "test").unwrap();
        assert_eq!(found.password.as_slice(), b"secret");
        assert!(command("echo secret; exit 3", "test").is_err());
        assert!(command("true", "test").is_err(), "empty");
    }
}
