//! Bytes from one thread to another: what is written here is read there.

use std::io::{self, Read, Write};

use crossbeam_channel::{Receiver, Sender, bounded};

/// How many parts may wait.
const WAITING: usize = 4;

/// A pipe. Its reader fails if the writer goes without [`PipeWriter::finish`].
pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = bounded(WAITING);
    let reader = PipeReader {
        receiver,
        part: Vec::new(),
        at: 0,
        ended: false,
    };
    (PipeWriter { sender }, reader)
}

/// The end to write to.
pub(super) struct PipeWriter {
    /// `None` is the end.
    sender: Sender<Option<Vec<u8>>>,
}

impl PipeWriter {
    /// Everything was written.
    pub(super) fn finish(self) -> io::Result<()> {
        self.send(None)
    }

    fn send(&self, part: Option<Vec<u8>>) -> io::Result<()> {
        let gone = |_| io::ErrorKind::BrokenPipe.into();
        self.sender.send(part).map_err(gone)
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.send(Some(bytes.to_vec()))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end to read from.
pub(super) struct PipeReader {
    receiver: Receiver<Option<Vec<u8>>>,
    part: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.part.len() && !self.ended {
            match self.receiver.recv() {
                Ok(Some(part)) => {
                    self.part = part;
                    self.at = 0;
                }
                Ok(None) => self.ended = true,
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let rest = self.part.get(self.at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        let (Some(from), Some(to)) = (rest.get(..length), buffer.get_mut(..length)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (mut writer, mut reader) = pipe();
        let thread = std::thread::spawn(move || {
            for part in 0..100_u8 {
                writer.write_all(&vec![part; usize::from(part)]).unwrap();
            }
            writer.finish().unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        thread.join().unwrap();
        assert_eq!(all.len(), 99 * 100 / 2);
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_writer_that_goes_is_no_end() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"half").unwrap();
        drop(writer);
        let read = reader.read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_reader_that_goes_is_told() {
        let (mut writer, reader) = pipe();
        drop(reader);
        assert!(writer.write_all(b"x").is_err());
    }
}
