//! How long a request may take: the time for an answer, and the time for its
//! bytes at the slowest speed that is no standstill.

use std::time::Duration;

use crate::options::RemoteOptions;

/// A time limit that grows with the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    base: Duration,
    /// Bytes a second.
    slowest: u64,
}

impl TimeLimit {
    pub(crate) fn new(options: &RemoteOptions) -> Self {
        // What we slow down ourselves must not count as stuck, also when the
        // permitted speed is shared by all requests under way.
        let share = |rate: u64| rate / (2 * options.max_concurrency as u64);
        let rates = [options.max_upload_rate, options.max_download_rate];
        let slowest = rates.into_iter().flatten().map(share).min().unwrap_or(u64::MAX);
        Self { base: options.request_timeout, slowest: options.min_rate.min(slowest).max(1) }
    }

    /// The time for a request that carries so many bytes.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn of(self, bytes: u64) -> Duration {
        self.base + self.transfer(bytes)
    }

    /// The part of it that is for the bytes.
    pub(crate) fn transfer(self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_objects_have_the_time_they_need_on_a_slow_line() {
        let limit = TimeLimit::new(&RemoteOptions::default());
        assert_eq!(limit.of(0), Duration::from_secs(30));
        let needed = Duration::from_secs(8_000_000 / 200_000);
        assert!(limit.of(8_000_000) > 3 * needed);
    }

    #[test]
    fn our_own_brake_is_no_standstill() {
        let options = RemoteOptions {
            max_upload_rate: Some(100_000),
            max_concurrency: 4,
            ..RemoteOptions::default()
        };
        let alone = 8_000_000 / (100_000 / 4);
        assert!(TimeLimit::new(&options).of(8_000_000) > Duration::from_secs(alone));
    }
}
