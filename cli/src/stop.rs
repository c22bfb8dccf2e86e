//! Being told to stop.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit::{Error, Result};

/// Set by the first signal.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From here on the first signal only sets a flag that long work looks at; a second one ends us at once.
    /// Commands that don't look must not call this.
    pub fn on_signals() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // What `nohup` or a shell's `&` had us ignore must stay ignored.
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            watch(signal, &flag)
                .map_err(|error| Error::failed(format!("cannot watch for signals: {error}"), ""))?;
        }
        Ok(Self(flag))
    }

    /// The flag.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether a signal has come.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn watch(signal: c_int, flag: &Arc<AtomicBool>) -> std::io::Result<()> {
    // In this order: the first signal finds the flag unset and sets it.
    signal_hook::flag::register_conditional_default(signal, Arc::clone(flag))?;
    signal_hook::flag::register(signal, Arc::clone(flag))?;
    Ok(())
}

/// Bit n: signal n + 1. None where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.unwrap_or(0)
}
