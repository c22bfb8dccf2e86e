//! Standard input as a source that can be told to stop while it waits for a slow producer.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stop::Stop;

/// How long one wait lasts before the flag is looked at.
const WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Reads standard input, unbuffered.
pub struct StandardInput {
    file: File,
    stop: Stop,
}

impl StandardInput {
    /// Opens it.
    pub fn open(stop: Stop) -> io::Result<Self> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { file, stop })
    }

    /// Waits until a read will not block; an error when told to stop.
    fn wait(&self) -> io::Result<()> {
        loop {
            if self.stop.requested() {
                return Err(io::Error::other("interrupted"));
            }
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&WAIT)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for StandardInput {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        let count = self.file.read(out)?;
        // Ctrl-C reaches every process of a pipe: the end of input may be the producer's death, not its success.
        if count == 0 && self.stop.requested() {
            return Err(io::Error::other("interrupted"));
        }
        Ok(count)
    }
}
