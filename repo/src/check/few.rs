//! Lists that stay readable however long they get.

use std::fmt;

/// Items that are spelled out; of the rest only the number is told.
const SHOWN_MAX: usize = 3;

/// The first few of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Few {
    shown: Vec<String>,
    count: u64,
}

impl Few {
    pub(super) fn add(&mut self, item: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(item());
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        match self.count - self.shown.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// `1 pack`, `2 packs`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
