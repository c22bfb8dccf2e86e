//! A chunk out of its columns: fields are made in batches of rows, column by column, then joined row by row.

use super::decode::{BATCH, Scratch, Source};
use super::header::Header;
use super::pool::{Cell, Literal, Out, Piece, Pool};
use super::render::Dates;
use super::streams::{Reader, damaged, malformed};
use crate::error::Result;
use crate::format::Cursor;
use crate::limits::CHUNK_BYTES_MAX;

/// Bytes that a batch may take in slots and cells; a row alone takes what it takes.
const BATCH_BYTES_MAX: usize = 256 << 10;

/// Decodes payloads; its buffers serve one after another.
#[derive(Default)]
pub(super) struct Decoder {
    header: Pool,
    pool: Pool,
    cells: Vec<Cell>,
    dates: Dates,
}

/// The columns of a chunk, and the next rows of it.
struct Table {
    sources: Vec<Source>,
    pieces: Vec<Piece>,
    last: Literal,
    /// Rows of a batch.
    batch: usize,
    /// Rows that no batch had yet.
    left: usize,
    /// The rows of the batch that are still to be written.
    ready: std::ops::Range<usize>,
}

impl Decoder {
    /// Makes the chunk of `raw_bytes` that a payload holds.
    pub(super) fn decode(
        &mut self,
        payload: &[u8],
        raw_bytes: usize,
        chunk: &mut Vec<u8>,
    ) -> Result<()> {
        let mut cursor = Cursor::new(payload);
        let header_bytes = cursor
            .bounded(raw_bytes.min(CHUNK_BYTES_MAX), "length of the header")
            .map_err(malformed)?;
        let mut streams = Reader::new(cursor, raw_bytes);
        self.header.clear();
        let at = streams.next(header_bytes, &mut self.header)?;
        let header = Header::get(&self.header.bytes()[at..at + header_bytes]).map_err(malformed)?;
        if header.rows.saturating_mul(header.columns.len()) > raw_bytes {
            return Err(damaged("it has more fields than bytes"));
        }
        self.pool.clear();
        let mut table = Table::read(&header, &mut streams, &mut self.pool, &mut self.cells)?;
        if streams.remaining() > 0 {
            return Err(damaged("bytes behind the last stream"));
        }
        let mut scratch = Scratch {
            pool: &mut self.pool,
            dates: &mut self.dates,
        };
        let mut out = Out::new(raw_bytes, chunk);
        table
            .write(&header, &mut self.cells, &mut scratch, &mut out)
            .ok_or_else(|| damaged("a column ends too early, or the chunk does"))?;
        out.finish()
    }
}

impl Table {
    fn read(
        header: &Header<'_>,
        streams: &mut Reader<'_>,
        pool: &mut Pool,
        cells: &mut Vec<Cell>,
    ) -> Result<Self> {
        let mut sources = Vec::with_capacity(header.columns.len());
        // What stands before each source; at the end what stands behind the last.
        let mut literals = Vec::with_capacity(header.columns.len());
        let mut between = Vec::new();
        for (column, behind) in &header.columns {
            let source = Source::read(column, header.rows, header.terminator, streams, pool)?;
            if source.is_constant() {
                between.extend_from_slice(&column.prefix);
                between.extend_from_slice(&column.suffix);
            } else if source.has_exceptions() {
                literals.push(Literal::new(&std::mem::take(&mut between)));
                sources.push(source);
            } else {
                between.extend_from_slice(&column.prefix);
                literals.push(Literal::new(&std::mem::take(&mut between)));
                between.extend_from_slice(&column.suffix);
                sources.push(source);
            }
            between.extend_from_slice(behind);
        }
        let row_bytes: usize = sources
            .iter()
            .map(|source| source.slot_bytes() + source.pieces() * size_of::<Cell>())
            .sum();
        let batch = (BATCH_BYTES_MAX / row_bytes.max(1))
            .clamp(1, BATCH)
            .min(header.rows);
        let mut pieces = Vec::with_capacity(sources.len());
        for (source, before) in sources.iter_mut().zip(literals) {
            source.use_slots(pool.take(batch * source.slot_bytes()));
            let mut before = before;
            for _ in 0..source.pieces() {
                pieces.push(Piece {
                    before: std::mem::take(&mut before),
                    cells: pieces.len() * batch,
                });
            }
        }
        cells.resize(pieces.len() * batch, [0; 2]);
        Ok(Self {
            sources,
            pieces,
            last: Literal::new(&between),
            batch,
            left: header.rows,
            ready: 0..0,
        })
    }

    /// `None`: a column or the chunk ends too early, or a number is none that its column can have.
    fn write(
        &mut self,
        header: &Header<'_>,
        cells: &mut [Cell],
        scratch: &mut Scratch<'_>,
        out: &mut Out<'_>,
    ) -> Option<()> {
        let mut verbatim = header.verbatim;
        for run in &header.runs {
            out.bytes(verbatim.split_off(..run.verbatim)?)?;
            let mut rows = run.rows;
            while rows > 0 {
                if self.ready.is_empty() {
                    self.fill(cells, scratch)?;
                }
                let start = self.ready.start;
                let end = self.ready.end.min(start + rows);
                let pool = scratch.pool.bytes();
                out.rows(start..end, &self.pieces, &self.last, cells, pool)?;
                self.ready.start = end;
                rows -= end - start;
            }
        }
        Some(())
    }

    /// Makes the fields of the next rows.
    fn fill(&mut self, cells: &mut [Cell], scratch: &mut Scratch<'_>) -> Option<()> {
        let rows = self.batch.min(self.left);
        let mut rest = cells;
        for source in &mut self.sources {
            let own = rest.split_off_mut(..source.pieces() * self.batch)?;
            source.fill(rows, self.batch, own, scratch)?;
        }
        self.left -= rows;
        self.ready = 0..rows;
        Some(())
    }
}
