//! When a segment of the log is closed, and when no more is put aside: decided
//! from times and sizes, without a clock or a disk.

use std::time::Duration;

/// How long after its first commit a segment is closed where nothing else came for
/// a while: a transaction of many commits is not cut after the first.
const SETTLE: Duration = Duration::from_millis(100);

/// When segments are closed. All times are since the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutter {
    interval: Duration,
    /// When the segment that is open got its first page.
    opened: Option<Duration>,
    closed: Option<Duration>,
}

impl Cutter {
    /// At most one segment in each interval, unless they are full.
    pub fn new(interval: Duration) -> Self {
        Self { interval, opened: None, closed: None }
    }

    /// Something was written into the segment.
    pub fn wrote(&mut self, now: Duration) {
        self.opened.get_or_insert(now);
    }

    /// The segment was closed.
    pub fn closed(&mut self, now: Duration) {
        self.opened = None;
        self.closed = Some(now);
    }

    /// In what time the segment is to be closed; none where there is nothing in it.
    ///
    /// After a pause the first commits go at once. Under load there is one segment in
    /// each interval, so that no commit waits for longer than that.
    pub fn due_in(&self, now: Duration) -> Option<Duration> {
        let opened = self.opened?;
        let settled = opened + SETTLE.min(self.interval);
        let spaced = self.closed.map_or(settled, |closed| closed + self.interval);
        Some(settled.max(spaced).saturating_sub(now))
    }

    /// Whether it is to be closed now.
    pub fn is_due(&self, now: Duration) -> bool {
        self.due_in(now) == Some(Duration::ZERO)
    }
}

/// How much may wait on the disk until the destination takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolBound {
    /// Bytes that may wait.
    pub limit: u64,
    /// Bytes of the disk that stay free, whatever waits.
    pub reserve: u64,
}

impl SpoolBound {
    /// 1 GiB, and as much stays free.
    pub const DEFAULT: Self = Self { limit: 1 << 30, reserve: 1 << 30 };

    /// Whether so many bytes more may wait, where so many do and so many are free.
    pub fn takes(&self, more: u64, waiting: u64, free: Option<u64>) -> bool {
        waiting.saturating_add(more) <= self.limit
            && free.is_none_or(|free| free >= self.reserve.saturating_add(more))
    }
}

impl Default for SpoolBound {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn nothing_is_closed_where_nothing_was_written() {
        let mut cutter = Cutter::new(SECOND);
        assert_eq!(cutter.due_in(ms(0)), None);
        cutter.wrote(ms(10));
        cutter.closed(ms(20));
        assert!(!cutter.is_due(ms(100_000)));
    }

    #[test]
    fn a_single_commit_goes_soon_and_a_stream_of_them_once_in_an_interval() {
        let mut cutter = Cutter::new(SECOND);
        cutter.wrote(ms(5_000));
        assert_eq!(cutter.due_in(ms(5_000)), Some(ms(100)));
        let mut closed = Vec::new();
        for now in 5_000..10_000 {
            cutter.wrote(ms(now));
            if cutter.is_due(ms(now)) {
                cutter.closed(ms(now));
                closed.push(now);
            }
        }
        assert_eq!(closed, [5_100, 6_100, 7_100, 8_100, 9_100]);
    }

    #[test]
    fn no_commit_waits_for_longer_than_an_interval() {
        // Pauses of all lengths between commits, the longest beyond an interval.
        for pause in [1, 7, 90, 110, 400, 990, 1_010, 3_000] {
            let mut cutter = Cutter::new(SECOND);
            let mut oldest = None;
            for now in 0..20_000 {
                if now % pause == 0 {
                    cutter.wrote(ms(now));
                    oldest.get_or_insert(now);
                }
                if cutter.is_due(ms(now)) {
                    cutter.closed(ms(now));
                    let waited = now - oldest.take().expect("there was one");
                    assert!(waited <= 1_000, "a pause of {pause}: {waited}");
                }
            }
        }
    }

    #[test]
    fn short_intervals_are_kept() {
        let mut cutter = Cutter::new(ms(20));
        cutter.wrote(ms(0));
        assert_eq!(cutter.due_in(ms(5)), Some(ms(15)));
    }

    #[test]
    fn the_spool_keeps_its_bound_and_leaves_the_disk_room() {
        let bound = SpoolBound { limit: 100, reserve: 1_000 };
        assert!(bound.takes(40, 60, None));
        assert!(!bound.takes(41, 60, None));
        assert!(bound.takes(40, 0, Some(1_040)));
        assert!(!bound.takes(40, 0, Some(1_039)));
        assert!(!bound.takes(u64::MAX, 60, Some(u64::MAX)));
    }
}
