//! The progress bar: on a terminal only, and never beside `--quiet` or `--json`.

use std::fmt::Write;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use nightfold_ingest::Progress;

use crate::context::Context;
use crate::messages::Messages;
use crate::output::size;

const EVERY: Duration = Duration::from_millis(100);
const DRAWS_PER_SECOND: u8 = 10;
/// Fits 80 columns, for there is most to tell.
const BOUNDED: &str = "{bar:8} {percent:>3}% {done} of {total} {rate} ETA {eta} {wide_msg}";
const UNBOUNDED: &str = "{spinner} {done} {rate} {elapsed} {wide_msg}";

/// How far the work is.
pub struct Reading {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when nobody knows.
    pub total: u64,
    /// What else there is to tell.
    pub message: String,
}

/// A bar on the screen; gone when dropped.
pub struct Shown {
    running: Option<(Sender<()>, JoinHandle<()>)>,
    messages: Messages,
}

/// Whether anybody would see a bar.
pub fn is_wanted(context: &Context, json: bool) -> bool {
    !context.quiet && !json && io::stderr().is_terminal()
}

/// Shows how far a run is that reads a source and stores it.
pub fn show_run(context: &Context, json: bool, progress: &Arc<Progress>) -> Shown {
    let seen = Arc::clone(progress);
    show(context, json, move || {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Reading {
            done: get(&seen.bytes_done),
            total: get(&seen.bytes_total),
            message: server(&seen).unwrap_or_else(|| {
                format!(
                    "{} new {} delta {} known",
                    get(&seen.chunks_new),
                    get(&seen.chunks_delta),
                    get(&seen.chunks_known)
                )
            }),
        }
    })
}

/// How far a database server is with what it does by itself, if it does anything.
pub fn server(progress: &Progress) -> Option<String> {
    let percent = progress.server_percent.load(Ordering::Relaxed);
    (percent > 0).then(|| format!("the server is at {percent}%"))
}

/// Does `work`, which tells how many bytes are done and how many there are, and shows how far it is.
pub fn metered<T>(
    context: &Context,
    json: bool,
    work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T,
) -> T {
    let meter = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let seen = Arc::clone(&meter);
    let _shown = show(context, json, move || Reading {
        done: seen.0.load(Ordering::Relaxed),
        total: seen.1.load(Ordering::Relaxed),
        message: String::new(),
    });
    work(&|done, total| {
        meter.0.fetch_max(done, Ordering::Relaxed);
        meter.1.store(total, Ordering::Relaxed);
    })
}

/// Shows a bar that follows what `read` says, if anybody would see it.
pub fn show(context: &Context, json: bool, read: impl Fn() -> Reading + Send + 'static) -> Shown {
    let running = is_wanted(context, json).then(|| {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(None, target).with_style(style(UNBOUNDED));
        context.messages.set_bar(Some(bar.clone()));
        let (stop, stopped) = mpsc::channel();
        let follow = move || {
            let mut bounded = false;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let reading = read();
                // The total may become known while the work goes on.
                if reading.total > 0 {
                    if !bounded {
                        bar.set_style(style(BOUNDED));
                        bounded = true;
                    }
                    // It may be a guess.
                    bar.set_length(reading.total.max(reading.done));
                }
                bar.set_position(reading.done);
                bar.set_message(reading.message);
                bar.tick();
            }
            bar.finish_and_clear();
        };
        (stop, std::thread::spawn(follow))
    });
    Shown {
        running,
        messages: context.messages.clone(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("done", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&size(state.pos()));
        })
        .with_key("total", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&size(state.len().unwrap_or(0)));
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{}/s", size(state.per_sec() as u64));
        })
        .progress_chars("=> ")
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // It only draws: if it died there is nothing to clear.
            let _ = thread.join();
        }
        self.messages.set_bar(None);
    }
}
