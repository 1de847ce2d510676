//! What the thread that follows, the task that sends and whoever asks share.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifeboat_agent::{FollowState, Following as FollowFacts};
use lifeboat_format::id::EpochId;
use lifeboat_format::log::{CommitNo, SegmentNo};
use lifeboat_repository::Following;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::spool::Ticket;
use super::writer::Place;
use crate::take::FollowedBy;

/// How long a snapshot waits for the follower to look. It looks once a second.
const LOOK: Duration = Duration::from_secs(60);

/// How a database is followed, from its first session to its last.
pub(crate) struct Shared {
    state: Mutex<State>,
    looked: Condvar,
    /// Counts what whoever waits should look at again.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Counts sessions: what waits for one that ended waits in vain.
    session: u64,
    following: FollowState,
    spool_limit: u64,
    gaps: u64,
    is_flushed: bool,
    /// It is not to be followed any more.
    is_for_good: bool,
    /// Of the session that goes on.
    now: Option<Session>,
    /// The position of the destination that has the log.
    at: usize,
    /// Until when everything is stored, also when no session goes on.
    stored_until: Option<OffsetDateTime>,
    stored: u64,
}

/// Following without a gap, in one epoch.
struct Session {
    epoch: EpochId,
    first: CommitNo,
    /// How often it was asked for everything that was committed until now.
    asked: u64,
    /// The last of these of which everything was handed over.
    seen: u64,
    /// The last of these of which everything lies in segments that are closed.
    closed: u64,
    /// The last of these of which everything is stored, and those of which it is
    /// not, each with the segment that comes after.
    durable: u64,
    marks: VecDeque<(u64, SegmentNo)>,
    /// The last commit that was handed over.
    taken: CommitNo,
    /// When the oldest commit was seen that is in no closed segment, and how many
    /// there are, with how many bytes of pages.
    open: Option<(OffsetDateTime, u64, u64)>,
    /// Closed segments that are not stored.
    queue: VecDeque<Ticket>,
    /// The number of the next segment.
    next: SegmentNo,
    /// The snapshot that it begins with is there.
    is_based: bool,
    /// The follower has ended.
    is_over: bool,
}

impl Session {
    fn waiting(&self) -> u64 {
        self.queue.iter().map(|ticket| ticket.len).sum()
    }

    /// Whether everything that was taken is stored.
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.open.is_none()
    }

    /// Whoever waits for no segment that still waits has waited enough.
    fn settle(&mut self) {
        let first = self.queue.front().map_or(self.next, |ticket| ticket.number);
        while let Some((asked, next)) = self.marks.front()
            && *next <= first
            && self.is_based
        {
            self.durable = *asked;
            self.marks.pop_front();
        }
    }
}

/// That everything which was committed until some moment is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durable {
    /// The last commit that is stored, by its number; 0 where nothing was committed
    /// since the snapshot that following began with.
    pub commit: u64,
    /// Until when everything is stored.
    pub until: Option<OffsetDateTime>,
}

/// What became of waiting, for now.
pub(crate) enum Waiting {
    Stored(Durable),
    NotYet,
    /// Another session goes on, which has to be asked.
    Other,
    /// It is not followed.
    Not,
}

impl Shared {
    pub(crate) fn new(spool_limit: u64) -> Self {
        let state = State { spool_limit, ..State::default() };
        Self { state: Mutex::new(state), looked: Condvar::new(), changes: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hears of everything that changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let done = self.state().now.as_mut().map(change);
        self.changed();
        done
    }

    fn look<T>(&self, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.state().now.as_ref().map(look)
    }

    // What the one that keeps it going says.

    /// A session begins; with what waits of it from before.
    pub(crate) fn begin(&self, place: &Place, queue: Vec<Ticket>, is_based: bool) {
        let before = |next: CommitNo| CommitNo(next.0.saturating_sub(1));
        let mut state = self.state();
        state.session += 1;
        let waiting: u64 = queue.iter().map(|ticket| u64::from(ticket.commits)).sum();
        state.stored = before(place.next).0.saturating_sub(waiting);
        state.now = Some(Session {
            epoch: place.epoch,
            first: place.next,
            asked: 0,
            seen: 0,
            closed: 0,
            durable: 0,
            marks: VecDeque::new(),
            taken: before(place.next),
            open: None,
            queue: queue.into(),
            next: place.number,
            is_based,
            is_over: false,
        });
        drop(state);
        self.changed();
    }

    /// Whoever stops does not mean to come back.
    pub(crate) fn for_good(&self) {
        self.state().is_for_good = true;
    }

    pub(crate) fn is_for_good(&self) -> bool {
        self.state().is_for_good
    }

    /// The log goes to the destination at this position.
    pub(crate) fn goes_to(&self, at: usize) {
        self.state().at = at;
    }

    pub(crate) fn is_based(&self) {
        self.with(|session| {
            session.is_based = true;
            session.settle();
        });
    }

    pub(crate) fn is_now(&self, following: FollowState) {
        let mut state = self.state();
        if following != FollowState::Following {
            state.now = None;
        }
        state.following = following;
        drop(state);
        self.looked.notify_all();
        self.changed();
    }

    pub(crate) fn following(&self) -> FollowState {
        self.state().following.clone()
    }

    /// The session ended; what waits of it stays on the disk.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        let last = state.now.take();
        state.is_flushed = last.is_some_and(|one| one.is_based && one.is_over && one.is_empty());
        drop(state);
        self.looked.notify_all();
        self.changed();
    }

    pub(crate) fn gap(&self) -> u64 {
        let mut state = self.state();
        state.gaps += 1;
        state.gaps
    }

    /// Who a snapshot asks that is taken now, and not to begin with.
    pub(crate) fn followed_by(self: &Arc<Self>) -> Option<FollowedBy> {
        let state = self.state();
        let at = state.at;
        let session = state.now.as_ref().filter(|session| session.is_based && !session.is_over)?;
        let (shared, epoch, first) = (Arc::clone(self), session.epoch, session.first);
        Some(FollowedBy { following: Arc::new(Here { shared, epoch, first }), at })
    }

    // What the thread says.

    /// How often it was asked until now.
    pub(crate) fn asked(&self) -> u64 {
        self.look(|session| session.asked).unwrap_or(0)
    }

    /// Whether somebody waits until what was committed is stored, who had asked when
    /// it was asked so often.
    pub(crate) fn is_waited_for(&self, asked: u64) -> bool {
        self.look(|session| asked > session.closed).unwrap_or(false)
    }

    pub(crate) fn took(&self, commit: CommitNo, seen: OffsetDateTime, bytes: u64) {
        // Nobody waits for this: changes are told when it is seen or closed.
        if let Some(session) = &mut self.state().now {
            session.taken = commit;
            let (oldest, commits, before) = session.open.unwrap_or((seen, 0, 0));
            session.open = Some((oldest, commits + 1, before + bytes));
        }
    }

    /// All was handed over that was committed before it was `asked` so often, and
    /// nothing of it is in a segment that is open, if so.
    pub(crate) fn saw(&self, asked: u64, is_closed: bool, until: OffsetDateTime) {
        let mut state = self.state();
        let mut is_news = false;
        if let Some(session) = &mut state.now {
            is_news = session.seen < asked || (is_closed && session.closed < asked);
            session.seen = session.seen.max(asked);
            if is_closed && session.closed < asked {
                session.closed = asked;
                session.marks.push_back((asked, session.next));
                session.settle();
            }
            if is_closed && session.queue.is_empty() && session.is_based {
                state.stored_until = state.stored_until.max(Some(until));
            }
        }
        drop(state);
        if is_news {
            self.looked.notify_all();
            self.changed();
        }
    }

    pub(crate) fn closed(&self, ticket: Ticket) {
        self.with(|session| {
            session.next = ticket.number.next();
            session.open = None;
            session.queue.push_back(ticket);
        });
    }

    /// How many bytes wait on the disk.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let state = self.state();
        (state.now.as_ref().map_or(0, Session::waiting), state.spool_limit)
    }

    pub(crate) fn over(&self) {
        self.with(|session| session.is_over = true);
        self.looked.notify_all();
    }

    // What the one that sends says.

    /// What is to be stored next, once the snapshot is there that it goes on from.
    pub(crate) fn next(&self) -> Option<SegmentNo> {
        self.look(|session| {
            let first = session.queue.front().filter(|_| session.is_based)?;
            Some(first.number)
        })?
    }

    pub(crate) fn stored(&self, number: SegmentNo) {
        let mut state = self.state();
        if let Some(session) = &mut state.now
            && session.queue.front().is_some_and(|ticket| ticket.number == number)
            && let Some(ticket) = session.queue.pop_front()
        {
            session.settle();
            state.stored = ticket.next.0.saturating_sub(1);
            state.stored_until = state.stored_until.max(Some(ticket.until));
        }
        drop(state);
        self.changed();
    }

    /// Whether the follower has ended and everything of it is stored.
    pub(crate) fn is_drained(&self) -> bool {
        self.look(|session| session.is_over && session.is_empty()).unwrap_or(true)
    }

    /// Whether the last session ended with everything stored.
    pub(crate) fn is_flushed(&self) -> bool {
        self.state().is_flushed
    }

    // What others ask.

    /// Asks for everything that was committed until now: the session, and what is to
    /// be waited for in it.
    pub(crate) fn ask(&self) -> Option<(u64, u64)> {
        let mut state = self.state();
        let number = state.session;
        let session = state.now.as_mut()?;
        session.asked += 1;
        Some((number, session.asked))
    }

    pub(crate) fn is_stored(&self, (number, asked): (u64, u64)) -> Waiting {
        let state = self.state();
        let Some(session) = &state.now else { return Waiting::Not };
        if state.session != number {
            return Waiting::Other;
        }
        if session.durable >= asked {
            return Waiting::Stored(Durable { commit: state.stored, until: state.stored_until });
        }
        Waiting::NotYet
    }

    /// How it is.
    pub(crate) fn facts(&self, now: OffsetDateTime) -> FollowFacts {
        let state = self.state();
        let mut facts = FollowFacts {
            state: state.following.clone(),
            gaps: state.gaps,
            stored: state.stored,
            stored_until: state.stored_until,
            spool: (0, state.spool_limit),
            ..FollowFacts::default()
        };
        if let Some(session) = &state.now {
            let oldest = session.queue.front().map(|ticket| ticket.oldest);
            let oldest = oldest.or(session.open.map(|(oldest, ..)| oldest));
            let none = time::Duration::ZERO;
            facts.lag = oldest.map_or(none, |at| (now - at).max(none));
            let (_, commits, bytes) = session.open.unwrap_or((now, 0, 0));
            let closed: u64 = session.queue.iter().map(|ticket| u64::from(ticket.commits)).sum();
            facts.commits_behind = commits + closed;
            facts.bytes_behind = bytes + session.waiting();
            facts.spool.0 = session.waiting();
        }
        facts
    }
}

/// What a snapshot asks that is taken meanwhile.
pub(crate) struct Here {
    pub(crate) shared: Arc<Shared>,
    pub(crate) epoch: EpochId,
    pub(crate) first: CommitNo,
}

impl Following for Here {
    fn epoch(&self) -> EpochId {
        self.epoch
    }

    fn first_commit(&self) -> CommitNo {
        self.first
    }

    fn before(&self) -> CommitNo {
        let none = CommitNo(self.first.0.saturating_sub(1));
        self.shared.look(|session| session.taken).unwrap_or(none)
    }

    fn after(&self) -> CommitNo {
        // Of an image of which nobody looked what it may have, it is not known where
        // in the log it ends: no moment is restored from it.
        let unknown = CommitNo(u64::MAX);
        let Some((number, asked)) = self.shared.ask() else { return unknown };
        let state = self.shared.state();
        let waits = |state: &mut State| {
            state.session == number
                && state.now.as_ref().is_some_and(|one| one.seen < asked && !one.is_over)
        };
        let (state, _) = self
            .shared
            .looked
            .wait_timeout_while(state, LOOK, waits)
            .unwrap_or_else(PoisonError::into_inner);
        let seen = state.now.as_ref().filter(|one| one.seen >= asked && one.epoch == self.epoch);
        seen.map_or(unknown, |session| session.taken)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
