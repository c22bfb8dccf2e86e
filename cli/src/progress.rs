//! The progress bar: on a terminal only, and never beside `--quiet` or `--json`.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;
use crate::messages::Messages;

const EVERY: Duration = Duration::from_millis(100);
const BOUNDED: &str = "{bar:24} {percent:>3}% {binary_bytes} of {binary_total_bytes} \
     {binary_bytes_per_sec} ETA {eta} {wide_msg}";
const UNBOUNDED: &str = "{spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed} {wide_msg}";

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

/// Shows a bar that follows what `read` says, unless nobody would see it.
pub fn show(context: &Context, json: bool, read: impl Fn() -> Reading + Send + 'static) -> Shown {
    let wanted = !context.quiet && !json && io::stderr().is_terminal();
    let running = wanted.then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        context.messages.set_bar(Some(bar.clone()));
        let (stop, stopped) = mpsc::channel();
        let follow = move || {
            let mut bounded = None;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let reading = read();
                follow_style(&bar, &mut bounded, reading.total);
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

/// The total may become known while the work goes on.
fn follow_style(bar: &ProgressBar, bounded: &mut Option<bool>, total: u64) {
    let now = total > 0;
    if now {
        bar.set_length(total);
    }
    if *bounded != Some(now) {
        *bounded = Some(now);
        let template = if now { BOUNDED } else { UNBOUNDED };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
    }
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
