//! The last line of a backup that somebody watches: what is safe now, what that cost,
//! and when it was last proven.

use std::time::Duration;

use lifeboat::{Destination, Placed};
use time::OffsetDateTime;

use crate::text::{age, count, size};

/// How long somebody who watches waits for that line.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the backups of one command came to.
#[derive(Default)]
pub(crate) struct Closing {
    bytes: u64,
    sent: u64,
    took: Duration,
    /// Where each database was stored, and as what.
    stored: Vec<(Destination, String)>,
}

/// When a database was last proven, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Proven {
    Never,
    Read(OffsetDateTime),
    Drilled(OffsetDateTime),
}

impl Closing {
    pub(super) fn add(&mut self, placed: &Placed, took: Duration) {
        let report = &placed.report;
        self.bytes += report.geometry.file_size();
        self.sent += report.bytes_sent;
        self.took += took;
        self.stored.push((placed.destination.clone(), report.name.clone()));
    }

    /// The line; nothing where nothing was stored, or where it takes too long to find
    /// out what was proven.
    pub(super) async fn line(&self) -> Option<String> {
        if self.stored.is_empty() {
            return None;
        }
        let asked = async {
            let mut proven = Vec::new();
            for (destination, name) in &self.stored {
                proven.push((proven_of(destination, name).await?, name.as_str()));
            }
            Some(proven)
        };
        let proven = tokio::time::timeout(PATIENCE, asked).await.ok()??;
        let cost = cost(self.bytes, self.sent, self.took);
        Some(format!("{cost}; {}", proof(&proven, OffsetDateTime::now_utc())))
    }
}

/// Nothing where there is damage, or a drill failed: that is said elsewhere, and no
/// moment to smile.
async fn proven_of(destination: &Destination, name: &str) -> Option<Proven> {
    let proofs = destination.proofs(name).await.ok()?;
    let all = || proofs.snapshots.values();
    if all().any(|proof| proof.damage.is_some() || proof.failed_drill.is_some()) {
        return None;
    }
    let drilled = all().filter_map(|proof| proof.drilled_at).max();
    let read = all().filter_map(|proof| proof.verified_at).max();
    Some(match (drilled, read) {
        (Some(drilled), Some(read)) if read > drilled => Proven::Read(read),
        (Some(drilled), _) => Proven::Drilled(drilled),
        (None, Some(read)) => Proven::Read(read),
        (None, None) => Proven::Never,
    })
}

/// What is safe, and what was paid for it.
fn cost(bytes: u64, sent: u64, took: Duration) -> String {
    let (all, seconds) = (size(bytes), took.as_secs_f64());
    match bytes.checked_div(sent) {
        None => format!("{all} safe, and it cost nothing: not a page had changed"),
        Some(share @ 2..) => {
            let share = count(share);
            format!("{all} safe for {}, one part in {share}, in {seconds:.2} s", size(sent))
        }
        Some(_) => format!("{all} safe in {seconds:.2} s"),
    }
}

/// When that was last proven: of several, the one that was not for the longest time.
fn proof(proven: &[(Proven, &str)], now: OffsetDateTime) -> String {
    let never = proven.iter().filter(|(proven, _)| *proven == Proven::Never).count();
    let at = |proven: Proven| match proven {
        Proven::Never => None,
        Proven::Read(at) => Some((at, "read back, every byte")),
        Proven::Drilled(at) => Some((at, "restored and tested")),
    };
    let oldest = proven.iter().filter_map(|(proven, _)| at(*proven)).min();
    match (proven, never, oldest) {
        ([(_, name)], 1, _) => {
            format!("not proven yet: `lifeboat drill {name}` takes the boat out for a row")
        }
        (_, 0, Some((at, how))) if proven.len() == 1 => {
            format!("last {how}, {}", age(at, now))
        }
        (_, 0, Some((at, _))) => format!("each was proven, the longest ago {}", age(at, now)),
        _ => format!("{never} of {} not proven yet: see `lifeboat drill`", proven.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const DAY: time::Duration = time::Duration::DAY;

    #[test]
    fn what_it_cost() {
        let check = |bytes, sent, expected| {
            assert_eq!(cost(bytes, sent, Duration::from_millis(60)), expected);
        };
        check(8 << 20, 0, "8.0 MiB safe, and it cost nothing: not a page had changed");
        check(8 << 20, 16 << 10, "8.0 MiB safe for 16 KiB, one part in 512, in 0.06 s");
        check(8 << 20, 7 << 20, "8.0 MiB safe in 0.06 s");
        check(8 << 20, 9 << 20, "8.0 MiB safe in 0.06 s");
    }

    #[test]
    fn when_it_was_proven() {
        let now = datetime!(2026-11-20 10:00 UTC);
        let check = |proven: &[(Proven, &str)], expected| assert_eq!(proof(proven, now), expected);
        let (read, drilled) = (Proven::Read(now - DAY * 2), Proven::Drilled(now - DAY * 3));
        let row = "not proven yet: `lifeboat drill app` takes the boat out for a row";
        check(&[(Proven::Never, "app")], row);
        check(&[(read, "app")], "last read back, every byte, 2 days ago");
        check(&[(drilled, "app")], "last restored and tested, 3 days ago");
        check(&[(read, "a"), (drilled, "b")], "each was proven, the longest ago 3 days ago");
        let some = "1 of 2 not proven yet: see `lifeboat drill`";
        check(&[(Proven::Never, "a"), (drilled, "b")], some);
    }
}
