//! How far the clock of a store is ahead of ours, as its answers tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Nothing was heard yet.
const UNKNOWN: i64 = i64::MIN;

/// What was last heard of a store's clock. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct StoreClock(Arc<AtomicI64>);

impl Default for StoreClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

impl StoreClock {
    /// By how many seconds it is ahead of ours.
    pub(crate) fn ahead(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != UNKNOWN)
    }

    /// Hears the date of an answer, at a time of ours.
    #[cfg(feature = "http-stores")]
    pub(crate) fn heard(&self, date: &str, now: std::time::SystemTime) {
        let seconds = |time: std::time::SystemTime| {
            let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_secs()).ok()
        };
        let theirs = httpdate::parse_http_date(date).ok().and_then(seconds);
        if let Some((theirs, ours)) = theirs.zip(seconds(now)) {
            self.0.store(theirs - ours, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, feature = "http-stores"))]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_last_answer_counts() {
        let clock = StoreClock::default();
        assert_eq!(clock.ahead(), None);
        let now = UNIX_EPOCH + Duration::from_secs(946_684_800);
        clock.heard("nonsense", now);
        assert_eq!(clock.ahead(), None);
        clock.clone().heard("Sat, 01 Jan 2000 00:10:00 GMT", now);
        assert_eq!(clock.ahead(), Some(600));
        clock.heard("Fri, 31 Dec 1999 23:59:50 GMT", now);
        assert_eq!(clock.ahead(), Some(-10));
    }
}
