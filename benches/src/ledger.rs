//! A table of a live application: rows are updated, inserted and deleted. The same seed, the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::random::Random;
use crate::rows;

/// One row in so many is updated every night.
const UPDATED_ONE_IN: u64 = 100;
/// One update in so many hits a row of the busiest ones.
const BUSY_ONE_IN: u64 = 5;
/// One row in so many is among the busiest.
const BUSIEST_ONE_IN: u64 = 50;
/// Three rows in so many are inserted every night, and as many deleted.
const INSERTED_THREE_IN: u64 = 1000;

/// Which night every row was last written on; 0 for those deleted.
#[derive(Debug, Clone)]
pub struct Ledger {
    seed: u64,
    written_on: Vec<u32>,
}

impl Ledger {
    /// A table whose first dump takes about so many bytes.
    pub fn new(seed: u64, bytes: u64) -> io::Result<Self> {
        Ok(Self {
            seed,
            written_on: vec![1; rows::rows_in(seed, bytes)?],
        })
    }

    /// What the application does before the dump of a night, the second or a later one.
    pub fn pass_day(&mut self, night: u32) {
        let mut random = Random::new(self.seed, "ledger of the day", night);
        let rows = self.written_on.len() as u64;
        let busiest = (rows / BUSIEST_ONE_IN).max(1);
        for _ in 0..(rows / UPDATED_ONE_IN).max(1) {
            let row = if random.below(BUSY_ONE_IN) == 0 {
                // Spread over the whole table.
                random.below(busiest) * BUSIEST_ONE_IN
            } else {
                random.below(rows)
            };
            self.write(row, night);
        }
        let moved = (rows * 3 / INSERTED_THREE_IN).max(1);
        for _ in 0..moved {
            self.write(random.below(rows), 0);
        }
        self.written_on
            .extend(std::iter::repeat_n(night, moved as usize));
    }

    /// A deleted row stays deleted.
    fn write(&mut self, row: u64, night: u32) {
        if let Some(on) = self.written_on.get_mut(row as usize)
            && *on != 0
        {
            *on = night;
        }
    }

    /// The dump.
    pub fn dump(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "COPY customers FROM stdin;")?;
        for (index, night) in self.written_on.iter().enumerate() {
            if *night != 0 {
                rows::write_row(out, self.seed, index as u64 + 1, *night)?;
            }
        }
        writeln!(out, "\\.")
    }

    /// The dump as a file.
    pub fn dump_to(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        self.dump(&mut out)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Ledger;

    fn dump(ledger: &Ledger) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        ledger.dump(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn a_night_updates_inserts_and_deletes() -> std::io::Result<()> {
        let mut ledger = Ledger::new(5, 1_000_000)?;
        let first = dump(&ledger)?;
        assert_eq!(dump(&Ledger::new(5, 1_000_000)?)?, first);
        ledger.pass_day(2);
        let second = dump(&ledger)?;
        let ids = |text: &str| {
            text.lines()
                .filter_map(|line| line.split_once('\t'))
                .map(|(id, _)| id.to_owned())
                .collect::<HashSet<String>>()
        };
        let (before, after) = (ids(&first), ids(&second));
        let rows = before.len();
        let inserted = after.difference(&before).count();
        let deleted = before.difference(&after).count();
        assert_eq!(inserted, rows * 3 / 1000);
        assert!(deleted > 0 && deleted <= inserted, "{deleted}");
        let known: HashSet<&str> = first.lines().collect();
        let changed = second.lines().filter(|line| !known.contains(line)).count();
        let updated = changed - inserted;
        assert!(
            updated > rows / 200 && updated <= rows / 100,
            "{updated} of {rows}"
        );
        Ok(())
    }
}
