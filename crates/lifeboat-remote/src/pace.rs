//! A speed that is not exceeded: a bucket of bytes that fills at a rate.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// How much may go at once after a rest: what the rate allows in this time.
const BURST: Duration = Duration::from_millis(250);

/// The bucket, as a pure thing: it is told the time. It keeps one number, the
/// moment at which what was taken is paid for, and goes into debt, so that takers
/// are served in order and large ones are not starved by small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    /// Bytes a second, at least 1.
    rate: u64,
    paid: Duration,
}

impl Bucket {
    fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), paid: Duration::ZERO }
    }

    /// Takes bytes and says when they may go.
    fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        let start = self.paid.max(now.saturating_sub(BURST));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid = start.saturating_add(cost);
        now.max(self.paid)
    }
}

/// The bucket with a clock. It is the runtime's, so that tests can hold it.
#[derive(Debug)]
pub(crate) struct Pacer {
    bucket: Mutex<(Option<Instant>, Bucket)>,
}

impl Pacer {
    /// So many bytes a second.
    pub(crate) fn new(rate: u64) -> Self {
        Self { bucket: Mutex::new((None, Bucket::new(rate))) }
    }

    /// Takes bytes and says when they may go.
    pub(crate) fn take(&self, bytes: u64) -> Instant {
        let now = Instant::now();
        let mut bucket = self.bucket.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let start = *bucket.0.get_or_insert(now);
        start + bucket.1.take(now - start, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_rate_holds_however_it_is_taken() {
        for piece in [1_000, 10_000, 250_000] {
            let mut bucket = Bucket::new(100_000);
            let mut now = Duration::ZERO;
            for _ in 0..(1_000_000 / piece) {
                now = bucket.take(now, piece);
            }
            assert_eq!(now, Duration::from_secs(10), "pieces of {piece}");
        }
    }

    #[test]
    fn a_rest_saves_up_a_little_and_no_more() {
        let mut bucket = Bucket::new(100_000);
        let now = Duration::from_secs(100);
        assert_eq!(bucket.take(now, 25_000), now);
        assert_eq!(bucket.take(now, 10_000), now + millis(100));
        assert_eq!(bucket.take(now, 10_000), now + millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn takers_share() {
        let pacer = Pacer::new(1_000);
        let start = Instant::now();
        assert_eq!(pacer.take(500) - start, millis(500));
        assert_eq!(pacer.take(500) - start, millis(1_000));
    }
}
