//! When to try again: exponentially growing pauses with full jitter, under one
//! budget.
//!
//! Full jitter is from "Exponential Backoff and Jitter" in the AWS Architecture
//! Blog: a pause is anything between nothing and the bound, so that clients that
//! failed together do not come back together.

use std::time::Duration;

/// How long an operation goes on trying.
///
/// The budget is the one number: no operation takes longer, retries, pauses and
/// time limits included, but for the time that its bytes may take
/// (`min_rate`). A listing has it for each page, and a deletion of many objects
/// for each request's worth of them: whatever is large gets on, or ends. Below us
/// nothing is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The time within which the operation ends.
    pub budget: Duration,
    /// How long it may get no further, with all its attempts: no new byte moves.
    /// Without this it may be as long as the budget.
    pub stall: Option<Duration>,
    /// The time within which there must be a connection, with all its attempts, if
    /// that is less than the budget.
    pub unreachable: Option<Duration>,
    /// The bound of the first pause; each further one is twice as long.
    pub first: Duration,
    /// The bound of all pauses.
    pub longest: Duration,
}

impl RetryPolicy {
    /// A policy of this budget, with the usual pauses: from 100 ms to 15 s.
    pub fn within(budget: Duration) -> Self {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(15));
        Self { budget, stall: None, unreachable: None, first, longest }
    }

    /// How long to pause after the failure of an attempt (the first is 0), or
    /// nothing if what is left of the budget is not worth another.
    ///
    /// `chance` is drawn evenly from all numbers. `asked` is for how long the
    /// store asks to be left alone (`Retry-After`): no pause is shorter, and where
    /// that is longer than what is left, nobody asks again.
    pub fn pause(
        &self,
        attempt: u32,
        elapsed: Duration,
        chance: u32,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(attempt.min(30)));
        let bound = doubled.min(self.longest);
        // After what was asked for comes the pause by chance, so that those who were
        // told the same do not come back together.
        let pause = bound
            .mul_f64(f64::from(chance) / f64::from(u32::MAX))
            .saturating_add(asked.unwrap_or_default());
        (elapsed.saturating_add(pause) < self.budget).then_some(pause)
    }
}

/// An even chance. Where the system has none to give, the middle does.
pub(crate) fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_anything_up_to_a_growing_bound() {
        let policy = RetryPolicy::within(Duration::from_secs(180));
        let bound = |attempt| policy.pause(attempt, Duration::ZERO, u32::MAX, None);
        assert_eq!(bound(0), Some(Duration::from_millis(100)));
        assert_eq!(bound(3), Some(Duration::from_millis(800)));
        assert_eq!(bound(20), Some(Duration::from_secs(15)));
        assert_eq!(bound(u32::MAX), Some(Duration::from_secs(15)));
        assert_eq!(policy.pause(9, Duration::ZERO, 0, None), Some(Duration::ZERO));
    }

    #[test]
    fn nothing_goes_beyond_the_budget() {
        let policy = RetryPolicy::within(Duration::from_secs(10));
        assert_eq!(policy.pause(20, Duration::from_secs(5), u32::MAX, None), None);
        assert!(policy.pause(20, Duration::from_secs(5), u32::MAX / 4, None).is_some());
        assert_eq!(policy.pause(0, Duration::from_secs(10), 0, None), None);
        // However chance falls, the sum of all pauses stays below it.
        for chance in [0, 1, u32::MAX / 3, u32::MAX] {
            let (mut elapsed, mut attempts) = (Duration::ZERO, 0);
            while let Some(pause) = policy.pause(attempts, elapsed, chance, None) {
                elapsed += pause + Duration::from_millis(1);
                attempts += 1;
            }
            assert!(elapsed < policy.budget + Duration::from_millis(1), "{elapsed:?}");
        }
    }

    #[test]
    fn what_the_store_asks_for_is_kept_or_left() {
        let policy = RetryPolicy::within(Duration::from_secs(10));
        let ask = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(policy.pause(0, Duration::ZERO, 0, ask(9)), ask(9));
        let later = Duration::from_millis(9_100);
        assert_eq!(policy.pause(0, Duration::ZERO, u32::MAX, ask(9)), Some(later));
        assert_eq!(policy.pause(0, Duration::from_secs(2), 0, ask(9)), None);
        assert_eq!(policy.pause(0, Duration::ZERO, 0, ask(u64::MAX)), None);
    }
}
