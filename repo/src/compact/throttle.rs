//! How much is read and written in a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Nobody waits longer at once, so that a signal is heeded.
const NAP: Duration = Duration::from_millis(100);

/// Slows work down to a rate. What was not used while something else took its time may be used later, but no more than
/// that of one second.
pub(super) struct Throttle {
    /// Bytes in a second.
    rate: Option<u64>,
    /// When all that was taken would be done at this rate.
    due: Instant,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            due: Instant::now(),
        }
    }

    /// Waits until so many bytes are within the rate.
    pub(super) fn took(&mut self, bytes: u64, stop: &AtomicBool) {
        let Some(rate) = self.rate else {
            return;
        };
        self.due = due(self.due, Instant::now(), bytes, rate);
        while !stop.load(Ordering::Relaxed) {
            let left = self.due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

/// When so many bytes more are due.
fn due(before: Instant, now: Instant, bytes: u64, rate: u64) -> Instant {
    let saved = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
    let takes = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
    before.max(saved) + takes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_little_is_saved_up() {
        let now = Instant::now() + Duration::from_secs(100);
        let seconds = |due: Instant| due.saturating_duration_since(now).as_secs();
        assert_eq!(seconds(due(now, now, 5000, 1000)), 5);
        assert_eq!(
            seconds(due(now + Duration::from_secs(3), now, 5000, 1000)),
            8
        );
        let later = now + Duration::from_secs(60);
        assert_eq!(due(now, later, 5000, 1000), later + Duration::from_secs(4));
    }
}
