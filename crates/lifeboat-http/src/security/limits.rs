//! How often somebody may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Requests that may come at once from one address, and how many a second after
/// that.
const REQUESTS: Rate = Rate { burst: 400.0, a_second: 50.0 };

/// Tries with a token that is not known.
const FAILURES: Rate = Rate { burst: 10.0, a_second: 0.1 };

/// How many addresses are remembered.
const ADDRESSES: usize = 4096;

#[derive(Clone, Copy)]
struct Rate {
    burst: f64,
    a_second: f64,
}

/// What each address has left.
#[derive(Default)]
pub(crate) struct Limits {
    requests: Mutex<HashMap<IpAddr, Bucket>>,
    failures: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Whether a request of this address is taken.
    pub(crate) fn request(&self, address: IpAddr, now: Instant) -> bool {
        take(&self.requests, REQUESTS, network(address), now, 1.0)
    }

    /// Whether this address may try another token.
    pub(crate) fn may_try(&self, address: IpAddr, now: Instant) -> bool {
        take(&self.failures, FAILURES, network(address), now, 0.0)
    }

    /// It tried one that is not known.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        take(&self.failures, FAILURES, network(address), now, 1.0);
    }
}

fn take(
    buckets: &Mutex<HashMap<IpAddr, Bucket>>,
    rate: Rate,
    address: IpAddr,
    now: Instant,
    cost: f64,
) -> bool {
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    if buckets.len() >= ADDRESSES && !buckets.contains_key(&address) {
        // Whoever is full again has nothing to be remembered of.
        buckets.retain(|_, bucket| bucket.refilled(rate, now) < rate.burst);
        if buckets.len() >= ADDRESSES {
            return false;
        }
    }
    let bucket = buckets.entry(address).or_insert(Bucket { left: rate.burst, at: now });
    bucket.left = bucket.refilled(rate, now);
    bucket.at = now;
    if bucket.left < cost.max(1.0) {
        return false;
    }
    bucket.left -= cost;
    true
}

impl Bucket {
    fn refilled(&self, rate: Rate, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        since.mul_add(rate.a_second, self.left).min(rate.burst)
    }
}

/// Of IPv6 whoever has one address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_guesses_waits() {
        let (limits, start) = (Limits::default(), Instant::now());
        let guesser: IpAddr = "2001:db8::1".parse().expect("an address");
        let neighbour: IpAddr = "2001:db8::2".parse().expect("an address");
        let other: IpAddr = "2001:db8:1::1".parse().expect("an address");
        for _ in 0..10 {
            assert!(limits.may_try(guesser, start));
            limits.failed(guesser, start);
        }
        assert!(!limits.may_try(neighbour, start), "the same network");
        assert!(limits.may_try(other, start));
        assert!(!limits.may_try(guesser, start + Duration::from_secs(9)));
        assert!(limits.may_try(guesser, start + Duration::from_secs(11)));
    }
}
