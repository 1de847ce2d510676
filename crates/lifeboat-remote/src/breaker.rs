//! Whether to ask somebody again who failed a moment ago.

use std::time::{Duration, Instant};

/// Keeps from asking, again and again, a store that does not answer: after some
/// failures in a row it counts as out for a while; then one attempt decides.
///
/// Knows no clock: whoever asks says what time it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    threshold: u32,
    pause: Duration,
    failures: u32,
    failed_at: Option<Instant>,
}

impl Default for Breaker {
    /// Out for half a minute after one failure, which has its own retries behind
    /// it already.
    fn default() -> Self {
        Self::new(1, Duration::from_secs(30))
    }
}

impl Breaker {
    /// Out for `pause` after `threshold` failures in a row.
    pub fn new(threshold: u32, pause: Duration) -> Self {
        Self { threshold: threshold.max(1), pause, failures: 0, failed_at: None }
    }

    /// Whether it is worth asking.
    pub fn allows(&self, now: Instant) -> bool {
        match self.failed_at {
            Some(at) if self.failures >= self.threshold => {
                now.saturating_duration_since(at) >= self.pause
            }
            _ => true,
        }
    }

    /// It was asked, and failed.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
    }

    /// It was asked, and did it.
    pub fn worked(&mut self) {
        self.failures = 0;
        self.failed_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::new(2, Duration::from_secs(30));
        assert!(breaker.allows(at(0)));
        breaker.failed(at(0));
        assert!(breaker.allows(at(1)), "one failure may be chance");
        breaker.failed(at(1));
        assert!(!breaker.allows(at(2)));
        assert!(!breaker.allows(at(30)));
        assert!(breaker.allows(at(31)));
        // That attempt decides.
        breaker.failed(at(31));
        assert!(!breaker.allows(at(60)));
        assert!(breaker.allows(at(61)));
        breaker.worked();
        assert!(breaker.allows(at(61)));
        breaker.failed(at(62));
        assert!(breaker.allows(at(62)), "what worked begins anew");
    }

    #[test]
    fn a_clock_that_runs_backwards_keeps_it_as_it_is() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut breaker = Breaker::default();
        breaker.failed(start);
        assert!(!breaker.allows(start - Duration::from_secs(50)));
    }
}
