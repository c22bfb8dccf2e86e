//! Where dumps go: one file each in the snapshot, with what is known of it.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::AtomicBool;

use nightfold_repo::format::{escape_path, path_order};
use nightfold_repo::repository::StoredSnapshot;

use super::facts::{DatabaseFacts, TableFacts, encode_tables, tables_path};
use super::mssql::native::StagedFile;
use crate::backup::Previous;
use crate::error::{Failure, Result};
use crate::progress::Progress;
use crate::source::{Outlet, Segment, SharedRepository, read_stream};

/// Takes dumps in the order of their paths.
pub(crate) struct Sink<'a, 'o> {
    repository: &'a SharedRepository,
    previous: Previous<'a>,
    outlet: &'a mut Outlet<'o>,
    facts: Vec<DatabaseFacts>,
    /// Lists of tables whose turn in the order of paths has not come.
    waiting: VecDeque<(Vec<u8>, Vec<u8>)>,
    staged: Vec<StagedFile>,
}

/// What came of dumps that are stored, but not published yet.
#[derive(Debug, Default)]
pub(crate) struct Dumped {
    /// What is known of them.
    pub(crate) facts: Vec<DatabaseFacts>,
    /// What is to be removed once they are published.
    pub(crate) staged: Vec<StagedFile>,
}

impl<'a, 'o> Sink<'a, 'o> {
    pub(super) fn new(
        repository: &'a SharedRepository,
        previous: Previous<'a>,
        outlet: &'a mut Outlet<'o>,
    ) -> Self {
        Self {
            repository,
            previous,
            outlet,
            facts: Vec::new(),
            waiting: VecDeque::new(),
            staged: Vec::new(),
        }
    }

    /// Stores a stream as the file at `path`.
    pub(crate) fn store(&mut self, path: &[u8], reader: impl Read) -> Result<()> {
        self.store_lists_before(path)?;
        self.store_now(path, reader)
    }

    /// The same, where the file at this path is to be found in another snapshot than the newest
    /// one of the source, if in any.
    pub(crate) fn store_after(
        &mut self,
        path: &[u8],
        reader: impl Read,
        before: Option<&StoredSnapshot>,
    ) -> Result<()> {
        self.store_lists_before(path)?;
        let content = Previous::of(self.repository, before).content_at(path)?;
        read_stream(self.repository, path, reader, content, self.outlet)
    }

    fn store_lists_before(&mut self, path: &[u8]) -> Result<()> {
        while let Some((next, _)) = self.waiting.front() {
            if path_order(next, path).is_gt() {
                break;
            }
            self.store_waiting()?;
        }
        Ok(())
    }

    fn store_now(&mut self, path: &[u8], reader: impl Read) -> Result<()> {
        let content = self.previous.content_at(path)?;
        read_stream(self.repository, path, reader, content, self.outlet)
    }

    fn store_waiting(&mut self) -> Result<()> {
        match self.waiting.pop_front() {
            Some((path, bytes)) => self.store_now(&path, &bytes[..]),
            None => Ok(()),
        }
    }

    /// Puts down what is known of the dump stored last at `path`.
    pub(crate) fn record(
        &mut self,
        path: &[u8],
        mut facts: DatabaseFacts,
        mut tables: Vec<TableFacts>,
    ) {
        tables.sort();
        facts.path = escape_path(path);
        facts.tables = tables.len() as u64;
        facts.rows = tables.iter().map(|table| table.rows).sum();
        if !tables.is_empty() {
            let list = tables_path(path);
            facts.tables_path = escape_path(&list);
            self.waiting.push_back((list, encode_tables(&tables)));
            let order = |a: &(Vec<u8>, _), b: &(Vec<u8>, _)| path_order(&a.0, &b.0);
            self.waiting.make_contiguous().sort_by(order);
        }
        self.facts.push(facts);
    }

    /// Tells of something odd in a dump that is stored all the same.
    pub(crate) fn warn(&mut self, path: &[u8], text: impl std::fmt::Display) -> Result<()> {
        let warning = Failure::new(path, text);
        self.outlet.send(Segment::Warning(warning))
    }

    /// A file that is removed when what was stored of it is published, and not before.
    pub(crate) fn remove_once_published(&mut self, file: StagedFile) {
        self.staged.push(file);
    }

    /// Where this run tells how far it is.
    pub(crate) fn progress(&self) -> &'o Progress {
        self.outlet.progress()
    }

    /// Set when the run shall stop.
    pub(crate) fn cancel(&self) -> &'o AtomicBool {
        self.outlet.cancel()
    }

    pub(super) fn finish(mut self) -> Result<Dumped> {
        while !self.waiting.is_empty() {
            self.store_waiting()?;
        }
        Ok(Dumped {
            facts: self.facts,
            staged: self.staged,
        })
    }
}
