//! Time, from outside.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// Says what time it is.
pub trait Clock: Send {
    /// The time of the calendar, by this machine.
    fn now(&self) -> OffsetDateTime;

    /// The time since some moment, which never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
