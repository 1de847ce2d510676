//! What remains of a timeline: a calendar, and the gaps that forgetting makes.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use time::{Duration, OffsetDateTime};

use crate::slot::moment;

/// What remains.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outlook {
    /// The months in which something remains or goes, the oldest first.
    pub months: Vec<Month>,
    /// The longest time between two neighbours that remain, among those from
    /// between which something goes.
    pub largest_gap: Option<Gap>,
}

/// A month of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Month {
    /// The year.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
    /// For each day, how many remain and how many go.
    pub days: Vec<(u32, u32)>,
}

/// A time without snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The last before it.
    pub from: OffsetDateTime,
    /// The first after it.
    pub to: OffsetDateTime,
    /// How many go from it.
    pub forgotten: u32,
}

impl Gap {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

impl Outlook {
    /// Looks at the times of what remains and of what goes.
    pub fn new(
        kept: impl Iterator<Item = OffsetDateTime>,
        forgotten: impl Iterator<Item = OffsetDateTime>,
        zone: &TimeZone,
    ) -> Self {
        let mut all: Vec<(OffsetDateTime, bool)> =
            kept.map(|at| (at, true)).chain(forgotten.map(|at| (at, false))).collect();
        all.sort();
        Self { months: months(&all, zone), largest_gap: largest_gap(&all) }
    }
}

fn months(all: &[(OffsetDateTime, bool)], zone: &TimeZone) -> Vec<Month> {
    let mut months: BTreeMap<(i16, i8), Month> = BTreeMap::new();
    for (at, keep) in all {
        let local = moment(*at).to_zoned(zone.clone());
        let key = (local.year(), local.month());
        let days = local.days_in_month() as usize;
        let month = months.entry(key).or_insert_with(|| Month {
            year: key.0,
            month: key.1,
            days: vec![(0, 0); days],
        });
        let day = &mut month.days[local.day() as usize - 1];
        if *keep { day.0 += 1 } else { day.1 += 1 }
    }
    months.into_values().collect()
}

fn largest_gap(all: &[(OffsetDateTime, bool)]) -> Option<Gap> {
    let mut largest: Option<Gap> = None;
    // What goes before the first that remains leaves no gap: the history is
    // shorter then.
    let mut last: Option<OffsetDateTime> = None;
    let mut between = 0;
    for (at, keep) in all {
        if !keep {
            between += 1;
            continue;
        }
        if let Some(from) = last.filter(|_| between > 0) {
            let gap = Gap { from, to: *at, forgotten: between };
            if largest.is_none_or(|largest| largest.length() < gap.length()) {
                largest = Some(gap);
            }
        }
        (last, between) = (Some(*at), 0);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn months_and_gaps() {
        let day = |n| datetime!(2028-02-20 12:00 UTC) + Duration::days(n);
        let kept = [day(0), day(3), day(9), day(20)];
        let gone = [day(-5), day(1), day(2), day(10), day(11)];
        let outlook = Outlook::new(kept.into_iter(), gone.into_iter(), &TimeZone::UTC);
        let gap = outlook.largest_gap.expect("there is one");
        assert_eq!((gap.from, gap.to, gap.forgotten), (day(9), day(20), 2));
        assert_eq!(outlook.months.len(), 2);
        let february = &outlook.months[0];
        assert_eq!((february.year, february.month, february.days.len()), (2028, 2, 29));
        assert_eq!(february.days[28], (1, 0), "the leap day");
        assert_eq!(february.days[14], (0, 1));
        let none =
            Outlook::new([day(0)].into_iter(), [day(-1), day(1)].into_iter(), &TimeZone::UTC);
        assert_eq!(none.largest_gap, None);
    }
}
