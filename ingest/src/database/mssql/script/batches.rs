//! A script as batches, for loading.

use std::collections::VecDeque;
use std::io::Read;

use super::super::error::{MssqlError, Result};
use super::lines::Lines;
use super::{FIRST_LINE, LAST_LINE, is_go};

/// How much is read at once.
const READ_BYTES: usize = 1 << 16;
/// The largest batch. What the server takes is 65536 packets.
const BATCH_BYTES_MAX: usize = 2_000_000_000;

/// What the server runs at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Its first line, from 1.
    pub(crate) line: u64,
    /// T-SQL, without the `GO`.
    pub(crate) sql: String,
}

/// Batches of a script as they come. At the end it is an error if the script has no last line.
pub(crate) struct Batches<'a> {
    input: &'a mut dyn Read,
    buffer: Vec<u8>,
    lines: Option<Lines>,
    ready: VecDeque<Batch>,
    building: Vec<u8>,
    first: u64,
    begun: bool,
    ended: bool,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            buffer: vec![0; READ_BYTES],
            lines: Some(Lines::new()),
            ready: VecDeque::new(),
            building: Vec::new(),
            first: 1,
            begun: false,
            ended: false,
        }
    }

    /// The next batch, or `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(mut lines) = self.lines.take() else {
                return Ok(None);
            };
            let length = self
                .input
                .read(&mut self.buffer)
                .map_err(|error| MssqlError::io("cannot read the script", error))?;
            if length == 0 {
                let line = lines.number();
                lines.finish()?;
                if !self.ended {
                    let reason = "it ends before its last line: parts are missing".to_owned();
                    return Err(MssqlError::Script { line, reason });
                }
                return Ok(None);
            }
            let buffer = std::mem::take(&mut self.buffer);
            let input = buffer.get(..length).unwrap_or_default();
            let pushed = lines.push(input, &mut |number, line| self.line(number, line));
            self.buffer = buffer;
            self.lines = Some(lines);
            pushed?;
        }
    }

    fn line(&mut self, number: u64, line: &[u8]) -> Result<()> {
        let damaged = |reason: &str| MssqlError::Script {
            line: number,
            reason: reason.to_owned(),
        };
        if !self.begun {
            if line.trim_ascii_end() != FIRST_LINE.as_bytes() {
                return Err(damaged(
                    "it does not begin as a dump of this program and form does",
                ));
            }
            self.begun = true;
        }
        if self.ended {
            return Err(damaged("something follows its last line"));
        }
        if is_go(line) {
            let sql = String::from_utf8(std::mem::take(&mut self.building))
                .map_err(|_| damaged("the batch that ends here is not UTF-8"))?;
            let batch = Batch {
                line: self.first,
                sql,
            };
            self.first = number + 1;
            // A batch of comments alone has nothing to run.
            let runs = |line: &str| !line.trim().is_empty() && !line.starts_with("--");
            if batch.sql.lines().any(runs) {
                self.ready.push_back(batch);
            }
        } else if line.trim_ascii_end() == LAST_LINE.as_bytes() && self.building.is_empty() {
            self.ended = true;
        } else {
            if self.building.len() + line.len() > BATCH_BYTES_MAX {
                return Err(damaged("the batch is larger than a server takes"));
            }
            self.building.extend_from_slice(line);
            self.building.push(b'\n');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn batches(script: &str) -> Result<Vec<Batch>> {
        let mut input = script.as_bytes();
        let mut batches = Batches::new(&mut input);
        let mut all = Vec::new();
        while let Some(batch) = batches.next()? {
            all.push(batch);
        }
        Ok(all)
    }

    #[test]
    fn go_ends_a_batch_only_where_it_is_code() {
        let script = format!(
            "{FIRST_LINE}\nGO\nPRINT '\nGO\n'\ngo \nGO\n/*\nGO\n*/ SELECT 1\r\nGO\r\n{LAST_LINE}\n"
        );
        let batches = batches(&script).unwrap();
        let sql: Vec<_> = batches.iter().map(|batch| batch.sql.as_str()).collect();
        assert_eq!(sql, ["PRINT '\nGO\n'\n", "/*\nGO\n*/ SELECT 1\r\n"]);
        assert_eq!(batches[0].line, 3);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let script = format!("{FIRST_LINE}\nSELECT 1\nGO\n{LAST_LINE}\n");
        assert!(batches(&script).is_ok());
        for length in 0..script.len() {
            assert!(batches(&script[..length]).is_err(), "cut at {length}");
        }
        assert!(batches(&format!("{script}SELECT 2\nGO\n")).is_err());
        assert!(batches("SELECT 1\nGO\n").is_err());
    }
}
