//! What is kept and what is forgotten; pure.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::OffsetDateTime;

use crate::outlook::Outlook;
use crate::policy::{Policy, Tag};
use crate::reason::Reason;
use crate::slot::{Slot, Unit, moment};

/// What a snapshot was taken for. Rules count each class apart, so that many of one
/// cannot push those of another out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// By a schedule, or by hand.
    #[default]
    Regular,
    /// Because of something that was about to be done.
    Before,
}

/// A snapshot, as far as retention looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How the caller knows it. Of two of one generation, the one of the higher
    /// number is the later.
    pub number: u64,
    /// Later ones have higher generations, whatever their clocks said.
    pub generation: u64,
    /// When it was taken.
    pub taken_at: OffsetDateTime,
    /// What it costs, in bytes.
    pub bytes: u64,
    /// What it was taken for.
    pub class: Class,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it is protected.
    pub pinned: bool,
    /// Whether a commit log begins with it, and needs it for as long as it is kept.
    pub begins_log: bool,
    /// Whether its data was read and proven.
    pub verified: bool,
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The snapshot.
    pub number: u64,
    /// When it was taken.
    pub taken_at: OffsetDateTime,
    /// Whether it is kept.
    pub keep: bool,
    /// Every reason, at least one.
    pub reasons: Vec<Reason>,
}

/// What becomes of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// One for each snapshot, the oldest generation first.
    pub decisions: Vec<Decision>,
    /// What is kept has so many bytes more than the policy allows, because
    /// other rules keep it.
    pub bytes_over: u64,
}

/// Why there is no plan. Nothing is forgotten then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No snapshot bears a tag that is to be kept: it is probably mistyped.
    #[error("find a snapshot with the tag {tag}, which is to be kept")]
    NoSuchTag {
        /// The tag.
        tag: Tag,
    },
}

impl Candidate {
    /// A plain one: no tags, of the generation of its number.
    pub fn new(number: u64, taken_at: OffsetDateTime) -> Self {
        Self {
            number,
            generation: number,
            taken_at,
            bytes: 0,
            class: Class::Regular,
            tags: BTreeMap::new(),
            pinned: false,
            begins_log: false,
            verified: false,
        }
    }
}

impl Plan {
    /// Those that are kept, the oldest generation first.
    pub fn kept(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.keep)
    }

    /// Those that are forgotten, the oldest generation first.
    pub fn forgotten(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| !decision.keep)
    }

    /// Those that were taken in the future.
    pub fn future(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.reasons.contains(&Reason::Future))
    }

    /// What remains, as a calendar, and the gaps that are made.
    pub fn outlook(&self, zone: &TimeZone) -> Outlook {
        let times = |keep| {
            let wanted = self.decisions.iter().filter(move |decision| decision.keep == keep);
            wanted.map(|decision| decision.taken_at)
        };
        Outlook::new(times(true), times(false), zone)
    }
}

/// A candidate on its way to a decision.
struct Row<'a> {
    candidate: &'a Candidate,
    class: Class,
    moment: Timestamp,
    future: bool,
    reasons: Vec<Reason>,
}

/// Decides what is kept at a time, by the calendar of a zone.
pub fn plan(
    candidates: &[Candidate],
    policy: &Policy,
    now: OffsetDateTime,
    zone: &TimeZone,
) -> Result<Plan, PlanError> {
    let rules = policy.rules();
    for tag in &rules.keep_tag {
        if !candidates.iter().any(|candidate| tag.is_on(&candidate.tags)) {
            return Err(PlanError::NoSuchTag { tag: tag.clone() });
        }
    }
    // Those that are taken before something need no place of their own where there
    // are no others.
    let apart = candidates.iter().any(|candidate| candidate.class == Class::Regular);
    let mut rows: Vec<Row<'_>> = candidates
        .iter()
        .map(|candidate| Row {
            candidate,
            class: if apart { candidate.class } else { Class::Regular },
            moment: moment(candidate.taken_at),
            future: candidate.taken_at > now,
            reasons: Vec::new(),
        })
        .collect();
    rows.sort_by_key(|row| (row.candidate.generation, row.candidate.number));
    protect(&mut rows);
    if rules.keeps_anything() {
        apply(&mut rows, policy, zone);
    } else if let Some(bytes) = rules.max_bytes {
        present(&mut rows).for_each(|row| row.reasons.push(Reason::Fits(bytes)));
    }
    if let Some(least) = rules.min_snapshots {
        for class in CLASSES {
            for row in of_class(&mut rows, class).rev().take(least as usize) {
                row.reasons.push(Reason::Minimum(least));
            }
        }
    }
    let bytes_over = rules.max_bytes.map_or(0, |most| shrink(&mut rows, most));
    let decisions = rows.into_iter().map(Row::decide).collect();
    Ok(Plan { decisions, bytes_over })
}

/// In the order in which they go where there is too little room.
const CLASSES: [Class; 2] = [Class::Before, Class::Regular];

/// Those of a class that are not taken in the future, the oldest generation first.
fn of_class<'a, 'b>(
    rows: &'b mut [Row<'a>],
    class: Class,
) -> impl DoubleEndedIterator<Item = &'b mut Row<'a>> + use<'a, 'b> {
    present(rows).filter(move |row| row.class == class)
}

/// Those that are not taken in the future, the oldest generation first.
fn present<'a, 'b>(
    rows: &'b mut [Row<'a>],
) -> impl DoubleEndedIterator<Item = &'b mut Row<'a>> + use<'a, 'b> {
    rows.iter_mut().filter(|row| !row.future)
}

/// What no policy can forget.
fn protect(rows: &mut [Row<'_>]) {
    if let Some(latest) = rows.last_mut() {
        latest.reasons.push(Reason::Latest);
    }
    let regular = rows.iter_mut().rev().find(|row| row.class == Class::Regular);
    if let Some(regular) = regular.filter(|row| row.reasons.is_empty()) {
        regular.reasons.push(Reason::Latest);
    }
    if let Some(verified) = rows.iter_mut().rev().find(|row| row.candidate.verified) {
        verified.reasons.push(Reason::LatestVerified);
    }
    for row in rows {
        if row.candidate.begins_log {
            row.reasons.push(Reason::BeginsLog);
        }
        if row.candidate.pinned {
            row.reasons.push(Reason::Pinned);
        }
        if row.future {
            row.reasons.push(Reason::Future);
        }
    }
}

fn apply(rows: &mut [Row<'_>], policy: &Policy, zone: &TimeZone) {
    let rules = policy.rules();
    for class in CLASSES {
        let last = rules.keep_last.unwrap_or(0);
        for (n, row) in (1..=last).zip(of_class(rows, class).rev()) {
            row.reasons.push(Reason::Last(n));
        }
    }
    // Compared with the newest, not with now: where nothing changes no
    // snapshots are taken, and time alone must not forget the rest. One that
    // bears a time in the future does not count, else it would age all others.
    // Nor does one that was taken before something age those that were not.
    let newest = CLASSES.map(|class| match class {
        Class::Regular => of_class(rows, class).map(|row| row.moment).max(),
        Class::Before => present(rows).map(|row| row.moment).max(),
    });
    let edge = |class: Class, period: crate::Period| {
        let newest = CLASSES.iter().zip(newest).find(|(of, _)| **of == class);
        let newest = newest.and_then(|(_, newest)| newest);
        newest.map_or(Timestamp::MIN, |newest| period.before(newest, zone))
    };
    if let Some(period) = rules.keep_within {
        for class in CLASSES {
            let edge = edge(class, period);
            for row in of_class(rows, class).filter(|row| row.moment >= edge) {
                row.reasons.push(Reason::Within(period));
            }
        }
        let edge = edge(Class::Regular, period);
        // What the database was when that time began: where nothing changed for
        // long, one bad snapshot must not push the only good one out.
        let before = of_class(rows, Class::Regular).filter(|row| row.moment < edge);
        if let Some(row) = before.max_by_key(|row| row.moment) {
            row.reasons.push(Reason::StartOf(period));
        }
    }
    for (unit, _, count) in rules.counts() {
        let Some(count) = count else { continue };
        for class in CLASSES {
            let slots = (Timestamp::MIN, count as usize);
            for (of, row) in newest_of_each(rows, class, unit, zone, slots) {
                row.reasons.push(Reason::Newest { unit, of });
            }
        }
    }
    for (unit, _, period) in rules.within() {
        let Some(period) = period else { continue };
        for class in CLASSES {
            let slots = (edge(class, period), usize::MAX);
            for (of, row) in newest_of_each(rows, class, unit, zone, slots) {
                row.reasons.push(Reason::NewestWithin { unit, of, period });
            }
        }
    }
    for row in rows {
        for tag in rules.keep_tag.iter().filter(|tag| tag.is_on(&row.candidate.tags)) {
            row.reasons.push(Reason::Tagged(tag.clone()));
        }
    }
}

/// The newest of each of the newest `count` slots that have any, among those of a
/// class taken at `edge` or later. By their times alone: where a clock ran backwards,
/// a slot is not counted twice.
fn newest_of_each<'a, 'b>(
    rows: &'b mut [Row<'a>],
    class: Class,
    unit: Unit,
    zone: &TimeZone,
    (edge, count): (Timestamp, usize),
) -> Vec<(String, &'b mut Row<'a>)> {
    let mut newest: HashMap<Slot, &'b mut Row<'a>> = HashMap::new();
    for row in of_class(rows, class).filter(|row| row.moment >= edge) {
        let slot = Slot::of(unit, row.moment, zone);
        let later = newest.get(&slot).is_none_or(|other| row.moment >= other.moment);
        if later {
            newest.insert(slot, row);
        }
    }
    let mut slots: Vec<(Slot, &'b mut Row<'a>)> = newest.into_iter().collect();
    slots.sort_by_key(|(slot, _)| std::cmp::Reverse(*slot));
    slots.truncate(count);
    slots.into_iter().map(|(slot, row)| (slot.label(unit), row)).collect()
}

/// Takes the oldest out until the rest fits, first of those that were taken before
/// something; says what is over then.
fn shrink(rows: &mut [Row<'_>], most: u64) -> u64 {
    let mut bytes: u64 = rows
        .iter()
        .filter(|row| !row.reasons.is_empty())
        .fold(0, |sum, row| sum.saturating_add(row.candidate.bytes));
    for class in CLASSES {
        let kept = |row: &&mut Row<'_>| row.class == class && !row.reasons.is_empty();
        for row in rows.iter_mut().filter(kept) {
            if bytes <= most {
                return 0;
            }
            if row.reasons.iter().any(Reason::is_firm) {
                continue;
            }
            bytes = bytes.saturating_sub(row.candidate.bytes);
            row.reasons = vec![Reason::OverBudget(most)];
        }
    }
    bytes.saturating_sub(most)
}

impl Row<'_> {
    fn decide(self) -> Decision {
        let Self { candidate, mut reasons, .. } = self;
        if reasons.is_empty() {
            reasons.push(Reason::NoRule);
        }
        let keep = !matches!(reasons[..], [Reason::NoRule | Reason::OverBudget(_)]);
        Decision { number: candidate.number, taken_at: candidate.taken_at, keep, reasons }
    }
}
