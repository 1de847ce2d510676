//! Which state is meant by a time or by the number of a commit, and what it is put
//! together from: a snapshot, and the commits after it.
//!
//! What was not watched is not guessed: a time in a gap, or after the last that was
//! observed, is refused, with the nearest states that there are.

use std::fmt;

use lifeboat_format::geometry::{Geometry, PageSize};
use lifeboat_format::id::{EpochId, SnapshotId};
use lifeboat_format::log::{CommitNo, CommitRow, Segment, SegmentNo};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Epoch, LogPlace};
use time::OffsetDateTime;

use crate::error::{ReadError, ResolveError};
use crate::log::Head;
use crate::repository::Database;
use crate::snapshots::{Listing, Selector, Snapshot, select};

/// What is meant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Resolved {
    /// A snapshot.
    Snapshot(Snapshot),
    /// A state that a commit log has.
    Moment(MomentPlan),
}

/// How the state after a commit is put together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MomentPlan {
    /// The snapshot that it begins with.
    pub base: Snapshot,
    /// The epoch that has the commits.
    pub epoch: EpochId,
    /// The last commit in it; the number before the first where it has none.
    pub commit: CommitNo,
    /// When that commit was first seen; none where it is the snapshot's own state.
    pub seen_at: Option<OffsetDateTime>,
    /// The commit after which the snapshot's own state is not sure to be complete: all
    /// later ones up to [`commit`](Self::commit) are applied.
    pub from: CommitNo,
    /// The segments that hold them: the first and the last.
    pub segments: Option<(SegmentNo, SegmentNo)>,
    /// The shape of the image.
    pub geometry: Geometry,
    /// Until when the log is known to be complete.
    pub log_until: OffsetDateTime,
}

impl Resolved {
    /// The snapshot that it is, or begins with.
    pub fn base(&self) -> &Snapshot {
        match self {
            Self::Snapshot(snapshot) => snapshot,
            Self::Moment(plan) => &plan.base,
        }
    }

    /// What a commit log adds to that snapshot.
    pub fn moment(&self) -> Option<&MomentPlan> {
        match self {
            Self::Snapshot(_) => None,
            Self::Moment(plan) => Some(plan),
        }
    }
}

impl MomentPlan {
    /// How many commits are applied to the snapshot.
    pub fn commits(&self) -> u64 {
        self.commit.0.saturating_sub(self.from.0)
    }
}

/// Why no state is meant by what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotCovered {
    /// There is no commit log.
    NoLog,
    /// Nobody followed the database then.
    Gap,
    /// It is later than what the log has.
    Beyond,
    /// It is earlier than what the log has.
    Before,
    /// A snapshot was being taken, and the states of that moment are not in order.
    Within,
}

impl fmt::Display for NotCovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLog => "there is no commit log",
            Self::Gap => "nobody followed the database then",
            Self::Beyond => "the commit log does not reach so far",
            Self::Before => "the commit log begins later",
            Self::Within => "a snapshot was just being taken then, with which the log begins",
        })
    }
}

/// A state that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearState {
    /// A time at which it was the state.
    pub at: OffsetDateTime,
    /// Its commit, where a log has it.
    pub commit: Option<CommitNo>,
    /// Its snapshot, where it is one.
    pub snapshot: Option<SnapshotId>,
}

impl NearState {
    fn of_snapshot(snapshot: &Snapshot) -> Self {
        let at = snapshot.body().taken_at;
        Self { at, commit: None, snapshot: Some(snapshot.id().clone()) }
    }

    fn end_of(segment: &Segment) -> Self {
        let commit = Some(last_commit(segment));
        Self { at: segment.observed_until(), commit, snapshot: None }
    }
}

/// What was asked for.
#[derive(Clone, Copy)]
enum Asked {
    At(OffsetDateTime),
    Commit(CommitNo),
}

/// An epoch with what it can be restored from.
pub(crate) struct Bases<'a> {
    /// Snapshots of the epoch whose commits are all there, the earliest first.
    pub(crate) all: Vec<(LogPlace, &'a Snapshot)>,
}

impl<'a> Bases<'a> {
    pub(crate) fn of(epoch: &Epoch, snapshots: &'a [Snapshot]) -> Self {
        let place = |snapshot: &'a Snapshot| Some((snapshot.body().log?, snapshot));
        let fits = |(place, _): &(LogPlace, _)| {
            place.epoch == epoch.id && place.from.0 + 1 >= epoch.first_kept().0
        };
        let mut all: Vec<_> = snapshots.iter().filter_map(place).filter(fits).collect();
        all.sort_by_key(|(place, snapshot)| (place.from, place.to, snapshot.number()));
        Self { all }
    }

    /// Of those taken at a time or before the newest, and its position.
    pub(crate) fn newest_before(&self, time: OffsetDateTime) -> Option<(LogPlace, usize)> {
        let taken = |(_, snapshot): &(LogPlace, &Snapshot)| snapshot.body().taken_at <= time;
        let at = self.all.iter().rposition(taken)?;
        Some((self.all[at].0, at))
    }

    /// The snapshot from which a state takes the fewest commits.
    fn before(&self, commit: CommitNo) -> Option<(LogPlace, &'a Snapshot)> {
        self.all.iter().rev().find(|(place, _)| place.to <= commit).copied()
    }
}

/// The snapshots with which epochs begin, each the earliest that its commits are kept
/// for: without one of these, states could not be restored that are.
pub(crate) fn first_bases(epochs: &[Epoch], snapshots: &[Snapshot]) -> NumberSet {
    let first = |epoch: &Epoch| {
        Bases::of(epoch, snapshots).all.first().map(|(_, snapshot)| snapshot.number())
    };
    epochs.iter().filter_map(first).collect()
}

/// The last commit that ends in a segment or before it.
pub(crate) fn last_commit(segment: &Segment) -> CommitNo {
    CommitNo(segment.next_commit().0 - 1)
}

/// The last commit of which a segment, or one before it, has something.
pub(crate) fn last_begun(segment: &Segment) -> CommitNo {
    segment.commits().last().map_or_else(|| last_commit(segment), |row| row.number)
}

/// Where a commit ends.
pub(crate) fn row_of(segment: &Segment, commit: CommitNo) -> Option<&CommitRow> {
    segment.commits().iter().find(|row| row.number == commit && row.page_count.is_some())
}

impl Database {
    /// Finds the state that is meant: by a snapshot, as [`resolve`](Self::resolve), or
    /// by a time or commit that the commit log has. Where it covers a time, it is
    /// exactly the state at that time.
    pub async fn resolve_moment(
        &self,
        selector: &Selector,
        expect: Option<RecordNo>,
    ) -> Result<Resolved, ResolveError> {
        let asked = match selector {
            Selector::At(time) => Asked::At(*time),
            Selector::Commit(commit) => Asked::Commit(*commit),
            Selector::Newest => return self.newest_state(expect).await,
            _ => return Ok(Resolved::Snapshot(self.resolve(selector, expect).await?)),
        };
        let head = self.whole_head(expect).await?;
        let state = head.state();
        if state.log.is_empty() {
            return match asked {
                Asked::At(_) => Ok(Resolved::Snapshot(self.resolve(selector, expect).await?)),
                Asked::Commit(_) => {
                    Err(refuse(selector, NotCovered::NoLog, state_nearest(&head, self).await?))
                }
            };
        }
        let listing = self.list(&head).await?;
        // The states that come next after the epochs that were looked at.
        let mut after: Option<NearState> = None;
        for (at, epoch) in state.log.iter().enumerate().rev() {
            let bases = Bases::of(epoch, &listing.snapshots);
            let Some((place, first)) = bases.all.first().copied() else { continue };
            let is_later = match asked {
                Asked::At(time) => time < first.body().taken_at,
                Asked::Commit(commit) => commit < place.to,
            };
            if is_later {
                after = Some(NearState {
                    commit: (place.from == place.to).then_some(place.to),
                    ..NearState::of_snapshot(first)
                });
                continue;
            }
            let Some((epoch, last)) = self.last_segment(&head, epoch.id).await? else { continue };
            let look = Look { database: self, epoch, bases, last, after: after.clone() };
            let found = match asked {
                Asked::At(time) => look.at(time).await?,
                Asked::Commit(commit) => look.commit(commit).await?,
            };
            let (why, nearest) = match found {
                Ok(plan) => return Ok(Resolved::Moment(plan)),
                Err(refused) => refused,
            };
            let is_newest = at + 1 == state.log.len();
            if let (Asked::At(time), NotCovered::Beyond, true) = (asked, why, is_newest)
                && let Some(later) = after_the_log(&listing, &look, time)
            {
                return Ok(Resolved::Snapshot(later.clone()));
            }
            let gap = why == NotCovered::Beyond && after.is_some();
            let why = if gap { NotCovered::Gap } else { why };
            if let Some((_, error)) = listing.broken.into_iter().next() {
                // It might have been the one that is needed.
                tracing::warn!(%error, "a snapshot cannot be read");
            }
            return Err(refuse(selector, why, nearest));
        }
        match asked {
            // Before all logs there are snapshots only.
            Asked::At(_) => Ok(Resolved::Snapshot(select(listing, selector)?)),
            Asked::Commit(_) => {
                Err(refuse(selector, NotCovered::Before, after.into_iter().collect()))
            }
        }
    }
}

impl Database {
    /// The last commit of the newest epoch, unless a snapshot that is apart from it is
    /// newer than everything in it.
    async fn newest_state(&self, expect: Option<RecordNo>) -> Result<Resolved, ResolveError> {
        let latest = self.resolve(&Selector::Newest, expect).await?;
        let head = self.whole_head(expect).await?;
        let listing = self.list(&head).await?;
        for epoch in head.state().log.iter().rev() {
            let bases = Bases::of(epoch, &listing.snapshots);
            let Some((place, _)) = bases.all.last().copied() else { continue };
            let Some((epoch, last)) = self.last_segment(&head, epoch.id).await? else { continue };
            let commit = last.as_ref().map_or(place.to, last_commit);
            let look = Look { database: self, epoch, bases, last, after: None };
            let body = latest.body();
            let is_apart = body.log.is_none_or(|place| place.epoch != look.epoch.id);
            if is_apart && body.taken_at > look.until() {
                break;
            }
            if let Ok(plan) = look.commit(commit).await? {
                return Ok(Resolved::Moment(plan));
            }
            // The log does not reach the end of the snapshot it begins with.
            break;
        }
        Ok(Resolved::Snapshot(latest))
    }
}

/// The newest snapshot that was taken after the log ended, at a time or before, by
/// somebody who did not follow.
fn after_the_log<'a>(
    listing: &'a Listing,
    look: &Look<'_>,
    time: OffsetDateTime,
) -> Option<&'a Snapshot> {
    let ended = look.until();
    let is_apart = |snapshot: &&Snapshot| {
        let body = snapshot.body();
        body.taken_at <= time && body.taken_at > ended && body.log.is_none()
    };
    let newest = listing.snapshots.iter().rev().find(|one| one.body().taken_at <= time);
    newest.filter(is_apart)
}

async fn state_nearest(head: &Head, database: &Database) -> Result<Vec<NearState>, ReadError> {
    let Some(latest) = head.state().latest else { return Ok(Vec::new()) };
    let record = database.record_below(head, latest.number).await?;
    let snapshot = Snapshot::of(record, false);
    Ok(snapshot.iter().map(NearState::of_snapshot).collect())
}

fn refuse(selector: &Selector, why: NotCovered, nearest: Vec<NearState>) -> ResolveError {
    let asked = match selector {
        Selector::At(time) => {
            let text = time.format(&time::format_description::well_known::Rfc3339);
            format!("at {}", text.unwrap_or_default())
        }
        Selector::Commit(commit) => format!("after commit {commit}"),
        other => other.to_string(),
    };
    ResolveError::NotCovered { asked, why, nearest }
}

/// A state, or why there is none, and the nearest that there are.
type Found = Result<MomentPlan, (NotCovered, Vec<NearState>)>;

/// Looks for a state in one epoch.
struct Look<'a> {
    database: &'a Database,
    epoch: Epoch,
    bases: Bases<'a>,
    last: Option<Segment>,
    after: Option<NearState>,
}

impl Look<'_> {
    /// Until when the epoch is known to be complete.
    fn until(&self) -> OffsetDateTime {
        let bases = self.bases.all.iter().map(|(_, base)| base.body().taken_at);
        let first = bases.min().expect("only epochs with a base are looked at");
        self.last.as_ref().map_or(first, Segment::observed_until)
    }

    fn ends(&self, last: &Segment) -> (SegmentNo, SegmentNo) {
        (self.epoch.first_segment(), last.head().number)
    }

    fn beyond(&self) -> Found {
        let end = match &self.last {
            Some(last) => Some(NearState::end_of(last)),
            None => self.bases.all.last().map(|(_, base)| NearState::of_snapshot(base)),
        };
        Err((NotCovered::Beyond, end.into_iter().chain(self.after.clone()).collect()))
    }

    async fn at(&self, time: OffsetDateTime) -> Result<Found, ReadError> {
        let (place, first) = self.bases.all[0];
        let Some(last) = &self.last else {
            let is_it = first.body().taken_at == time && place.from == place.to;
            return if is_it { self.commit(place.to).await } else { Ok(self.beyond()) };
        };
        if time > last.observed_until() {
            return Ok(self.beyond());
        }
        let (id, ends) = (self.epoch.id, self.ends(last));
        let later = |segment: &Segment| segment.head().observed_from > time;
        let later = self.database.first_segment_where(id, ends, later).await?;
        let number = later.as_ref().map_or(ends.1.0, |later| later.head().number.0 - 1);
        if number < ends.0.0 {
            // Between the snapshot and the first segment nothing was committed.
            return self.commit_or_within(place.to, time).await;
        }
        let mut segment = self.database.read_segment(id, SegmentNo(number)).await?.segment;
        if time > segment.observed_until() {
            let mut nearest = vec![NearState::end_of(&segment)];
            nearest.extend(later.map(|later| NearState {
                at: later.head().observed_from,
                commit: None,
                snapshot: None,
            }));
            return Ok(Err((NotCovered::Gap, nearest)));
        }
        loop {
            // A commit may have been seen later than everything before was observed.
            let whole = |row: &&CommitRow| row.page_count.is_some() && row.seen_at <= time;
            if let Some(row) = segment.commits().iter().rev().find(whole) {
                return self.commit_or_within(row.number, time).await;
            }
            let number = segment.head().number;
            if number == ends.0 {
                let before = CommitNo(segment.head().first_commit.0 - 1);
                return self.commit_or_within(before, time).await;
            }
            segment = self.database.read_segment(id, SegmentNo(number.0 - 1)).await?.segment;
        }
    }

    /// The state after a commit, which is that at a time.
    async fn commit_or_within(
        &self,
        commit: CommitNo,
        time: OffsetDateTime,
    ) -> Result<Found, ReadError> {
        let found = self.commit(commit).await?;
        Ok(found.map_err(|(_, nearest)| {
            let (_, first) = self.bases.all[0];
            let why =
                if first.body().taken_at <= time { NotCovered::Within } else { NotCovered::Gap };
            (why, nearest)
        }))
    }

    async fn commit(&self, commit: CommitNo) -> Result<Found, ReadError> {
        let Some((place, base)) = self.bases.before(commit) else {
            let first = self.bases.all.first().map(|(place, base)| NearState {
                commit: Some(place.to),
                ..NearState::of_snapshot(base)
            });
            return Ok(Err((NotCovered::Before, first.into_iter().collect())));
        };
        let geometry = base.body().geometry().expect("a record is refused without one");
        let mut plan = MomentPlan {
            base: base.clone(),
            epoch: self.epoch.id,
            commit,
            seen_at: None,
            from: place.from,
            segments: None,
            geometry,
            log_until: self.until(),
        };
        if commit == place.from {
            return Ok(Ok(plan));
        }
        let Some(last) = self.last.as_ref().filter(|last| last_commit(last) >= commit) else {
            return Ok(self.beyond());
        };
        let (id, ends) = (self.epoch.id, self.ends(last));
        let missing = |number| {
            let error =
                DecodeError::Damaged { kind: ObjectKind::LogSegment, what: "order of commits" };
            ReadError::unusable(self.database.segment_key(id, number))(error)
        };
        let end = |segment: &Segment| last_commit(segment) >= commit;
        let end = self.database.first_segment_where(id, ends, end).await?;
        let end = end.ok_or_else(|| missing(ends.1))?;
        let end_no = end.head().number;
        let row = row_of(&end, commit).ok_or_else(|| missing(end_no))?;
        let begin = |segment: &Segment| last_begun(segment) > place.from;
        let begin = self.database.first_segment_where(id, (ends.0, end_no), begin).await?;
        let begin = begin.ok_or_else(|| missing(end_no))?;
        plan.seen_at = Some(row.seen_at);
        plan.segments = Some((begin.head().number, end_no));
        let size: PageSize = end.head().page_size;
        let shape = row.page_count.and_then(|count| Geometry::new(size, count));
        plan.geometry = shape.ok_or_else(|| missing(end_no))?;
        Ok(Ok(plan))
    }
}
