//! A table of an application, dumped night after night without a server: the same seed, the same
//! bytes. It is written row by row, so that it takes no memory to speak of.

use std::io::{self, Write};

use crate::corpus::words;
use crate::random::Random;

/// One row in so many is updated every night.
const UPDATED_ONE_IN: u64 = 100;
/// Between the seeds of neighbouring rows: any odd number of many bits.
const ROW_STRIDE: u64 = 0xd134_2543_de82_ef95;

/// Which night every row was last written on.
#[derive(Debug)]
pub struct Table {
    seed: u64,
    written_on: Vec<u32>,
}

impl Table {
    /// A table whose dump takes about so many bytes.
    pub fn new(seed: u64, bytes: u64) -> io::Result<Self> {
        Ok(Self {
            seed,
            written_on: vec![1; rows_in(seed, bytes)?],
        })
    }

    /// Updates the rows of a night, the second or a later one.
    pub fn pass_day(&mut self, night: u32) {
        let mut random = Random::new(self.seed, "rows of the day", night);
        let rows = self.written_on.len() as u64;
        for _ in 0..(rows / UPDATED_ONE_IN).max(1) {
            self.written_on[random.below(rows) as usize] = night;
        }
    }

    /// The dump.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "COPY customers FROM stdin;")?;
        for (index, night) in self.written_on.iter().enumerate() {
            write_row(out, self.seed, index as u64 + 1, *night)?;
        }
        writeln!(out, "\\.")
    }
}

/// How many rows of the first night take about so many bytes; one at least.
pub fn rows_in(seed: u64, bytes: u64) -> io::Result<usize> {
    const SAMPLE: usize = 1000;
    let table = Table {
        seed,
        written_on: vec![1; SAMPLE],
    };
    let mut sample = Vec::new();
    table.write(&mut sample)?;
    Ok((bytes * SAMPLE as u64 / sample.len() as u64).max(1) as usize)
}

/// A row as it was last written on `night`.
pub fn write_row(out: &mut dyn Write, seed: u64, id: u64, night: u32) -> io::Result<()> {
    let seed = seed ^ id.wrapping_mul(ROW_STRIDE);
    let mut lasting = Random::new(seed, "row", 0);
    let (reference, name) = (words::uuid(&mut lasting), words::name(&mut lasting));
    let (email, city) = (words::email(&name, id), words::city(&mut lasting));
    let length = lasting.between(4, 16);
    let remark = words::sentence(&mut lasting, length);
    let mut updated = Random::new(seed, "update", night);
    let status = updated.pick_common(&["closed", "shipped", "packed", "paid", "new"]);
    let (points, at) = (updated.below(5000), words::last_day(&mut updated, night));
    writeln!(
        out,
        "{id}\t{reference}\t{name}\t{email}\t{city}\t{status}\t{points}\t{at}\t{remark}"
    )
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn dump(table: &Table) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        table.write(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_night_changes_one_row_in_a_hundred() -> std::io::Result<()> {
        let mut table = Table::new(5, 500_000)?;
        let first = dump(&table)?;
        assert!((450_000..550_000).contains(&first.len()), "{}", first.len());
        assert_eq!(dump(&Table::new(5, 500_000)?)?, first);
        table.pass_day(2);
        let second = dump(&table)?;
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (first, second) = (lines(&first), lines(&second));
        let rows = first.lines().count();
        let changed = first
            .lines()
            .zip(second.lines())
            .filter(|(left, right)| left != right)
            .count();
        assert!(
            changed > 0 && changed <= rows / 100 + 1,
            "{changed} of {rows}"
        );
        Ok(())
    }
}
