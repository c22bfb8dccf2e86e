//! Lines on standard error that go round the progress bar.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

/// Tells of notable things. Cheap to clone.
#[derive(Clone, Default)]
pub struct Messages {
    quiet: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Messages {
    /// With `quiet`, notes are kept back; warnings never are.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: Arc::default(),
        }
    }

    /// Good to know.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.line(format_args!("note: {text}"));
        }
    }

    /// Should be looked at.
    pub fn warning(&self, text: impl Display) {
        self.line(format_args!("warning: {text}"));
    }

    /// A line as it is.
    pub fn line(&self, text: impl Display) {
        // A closed standard error is no reason to stop a backup.
        let print = || drop(writeln!(io::stderr().lock(), "{text}"));
        match &*self.bar() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The bar that lines go round from now on.
    pub fn set_bar(&self, bar: Option<ProgressBar>) {
        *self.bar() = bar;
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
