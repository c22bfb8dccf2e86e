//! How rows are written in a chunk, told from a few samples of it.

use memchr::{memchr, memmem, memrchr};

use super::rows::COLUMNS_MAX;

/// Bytes looked at in each of a few places.
const SAMPLE_BYTES: usize = 8192;
/// Rows of a sample that are counted.
const SAMPLE_ROWS: usize = 16;

/// What stands between fields and between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: Vec<u8>,
    /// From the last field of a row to the first of the next.
    pub(super) end: Vec<u8>,
    pub(super) quote: Option<u8>,
    /// Takes its special meaning from the byte behind it, within quotes.
    pub(super) escape: Option<u8>,
}

/// The dialect of a chunk and its number of columns. A guess: whatever it is, rows that do not fit are kept as
/// they are.
pub(super) fn guess(chunk: &[u8]) -> Option<(Dialect, usize)> {
    // The middle first: DDL and other tables tend to stand at the ends.
    [2, 1, 3].into_iter().find_map(|quarter| {
        let start = chunk.len() / 4 * quarter;
        let sample = &chunk[start..(start + SAMPLE_BYTES).min(chunk.len())];
        if memchr(0, sample).is_some() {
            return None;
        }
        tuples(sample)
            .or_else(|| statements(chunk, start))
            .or_else(|| lines(sample))
    })
}

/// `(1,'a'),(2,'b')`, on one line or many.
fn tuples(sample: &[u8]) -> Option<(Dialect, usize)> {
    [&b"),\n("[..], b"),(", b"),\r\n(", b"), ("]
        .into_iter()
        .find_map(|end| sql(sample, end))
}

/// One `INSERT` a row.
fn statements(chunk: &[u8], start: usize) -> Option<(Dialect, usize)> {
    let sample = &chunk[start..(start + SAMPLE_BYTES).min(chunk.len())];
    let from =
        memmem::find(sample, b");\nINSERT ").or_else(|| memmem::find(sample, b");\r\nINSERT "))?;
    let values = from + memmem::find(&sample[from..], b"VALUES")?;
    let open = values + memchr(b'(', &sample[values..])?;
    sql(sample, &sample[from..=open])
}

fn sql(sample: &[u8], end: &[u8]) -> Option<(Dialect, usize)> {
    let mut dialect = Dialect {
        separator: b",".to_vec(),
        end: end.to_vec(),
        quote: Some(b'\''),
        escape: Some(b'\\'),
    };
    let first = memmem::find(sample, end)? + end.len();
    let stop = dialect.field_end(sample, first)?;
    if sample[stop..].starts_with(b", ") {
        dialect.separator.push(b' ');
    }
    let columns = dialect.columns(sample)?;
    Some((dialect, columns))
}

/// Lines of fields.
fn lines(sample: &[u8]) -> Option<(Dialect, usize)> {
    let newline = memchr(b'\n', sample)?;
    let last = memrchr(b'\n', sample)?;
    let line = &sample[newline..last];
    let end = if newline > 0 && sample[newline - 1] == b'\r' {
        &b"\r\n"[..]
    } else {
        b"\n"
    };
    [
        (b'\t', None),
        (b',', Some(b'"')),
        (b';', Some(b'"')),
        (b'|', Some(b'"')),
    ]
    .into_iter()
    .find_map(|(separator, quote)| {
        memchr(separator, line)?;
        let dialect = Dialect {
            separator: vec![separator],
            end: end.to_vec(),
            quote,
            escape: None,
        };
        let columns = dialect.columns(sample)?;
        Some((dialect, columns))
    })
}

impl Dialect {
    /// How many fields most rows of a sample have.
    fn columns(&self, sample: &[u8]) -> Option<usize> {
        let mut at = memmem::find(sample, &self.end)? + self.end.len();
        let mut counts = Vec::with_capacity(SAMPLE_ROWS);
        'rows: while counts.len() < SAMPLE_ROWS {
            let mut fields = 1;
            while let Some(stop) = self.field_end(sample, at) {
                if sample[stop..].starts_with(&self.end) {
                    counts.push(fields);
                    at = stop + self.end.len();
                    continue 'rows;
                }
                fields += 1;
                at = stop + 1;
            }
            break;
        }
        counts.sort_unstable();
        let columns = *counts.get(counts.len() / 2)?;
        let alike = counts.iter().filter(|fields| **fields == columns).count();
        let fits =
            (2..=COLUMNS_MAX).contains(&columns) && alike >= 3 && alike * 4 >= counts.len() * 3;
        fits.then_some(columns)
    }
}
