//! One session: from the first commit that is taken to the last, without a gap.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_agent::Cause;
use lifeboat_format::id::{DatabaseName, EpochId};
use lifeboat_format::log::{CommitNo, SegmentNo};
use lifeboat_format::record::Trigger;
use lifeboat_repository::{Database, LogEnd};
use lifeboat_wal::{FollowError, FollowOptions, Follower, Position, Start, StopHandle};
use time::OffsetDateTime;
use tokio::sync::{oneshot, watch};

use super::Keeper;
use crate::continuous::shared::{Here, Shared};
use crate::continuous::spool::{Spool, SpoolError, Ticket};
use crate::continuous::writer::{Place, SpoolFull, Writer};
use crate::error::{Error, ErrorKind, causes_of};
use crate::service::run::Asked;
use crate::take::{BackupSettings, FollowedBy};

/// The stack of a thread that follows: of what is not used only addresses are taken.
const STACK: usize = 1 << 20;

/// The pause before a segment is sent again.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// So many databases look once a second when nothing is written; where there are more,
/// each looks less often: news of writes wake it all the same.
const LOOKS: u32 = 200;

/// Why a session ended.
pub(super) enum End {
    /// It was asked to.
    Stopped,
    /// The database cannot be followed as it is.
    Cannot(String),
    /// Commits may be missing, or could not be put aside.
    Gap(String),
    /// Something does not work, and may work later.
    Later(Error),
    /// Another installation has the database now.
    Over(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::HeldByOther => Self::Over(error),
            _ => Self::Later(error),
        }
    }
}

type ThreadEnd = Result<Result<(), FollowError>, oneshot::error::RecvError>;

/// Ends the thread that follows, whatever becomes of whoever began it.
struct Thread {
    stop: StopHandle,
    ended: oneshot::Receiver<Result<(), FollowError>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Where the log goes on after what is stored and what waits.
fn place_after(end: &LogEnd, waiting: &[Ticket]) -> Place {
    let now = OffsetDateTime::now_utc();
    match waiting.last() {
        Some(last) => Place {
            epoch: end.epoch,
            number: last.number.next(),
            previous: Some(last.digest),
            next: last.next,
            continues: last.is_open,
            from: last.until,
            mark: last.mark.clone(),
        },
        None => Place {
            epoch: end.epoch,
            number: end.next,
            previous: end.previous,
            next: end.next_commit,
            continues: end.continues,
            from: end.observed_until.unwrap_or(now),
            mark: end.mark.clone(),
        },
    }
}

/// Where a new epoch begins.
fn place_of_new(epoch: EpochId, next: CommitNo) -> Place {
    Place {
        epoch,
        number: SegmentNo::FIRST,
        previous: None,
        next,
        continues: false,
        from: OffsetDateTime::now_utc(),
        mark: Vec::new(),
    }
}

impl Keeper {
    /// Follows until something ends it.
    pub(super) async fn session(&mut self) -> End {
        match self.follow().await {
            Ok(()) => End::Stopped,
            Err(end) => end,
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        if !self.watched.path.exists() {
            return Err(End::Cannot("the file is not there".into()));
        }
        let plan = self.inner.plan();
        let (at, destination) = plan.destinations.first(&self.watched.destinations).await?;
        self.shared.goes_to(at);
        let database = destination.database(&self.watched.name)?;
        if !database.can_keep_log() {
            let place = destination.shown();
            return Err(End::Cannot(format!("{place} does not honour conditional creates")));
        }
        let cache = destination.repository().local().cache_dir().map_err(Error::from)?;
        let key = DatabaseName::new(&self.watched.name)
            .map_err(|source| Error::Name { name: self.watched.name.clone(), source })?
            .key();
        let spool = Spool::new(cache.join("continuous").join(key));
        let end = database.log_end().await.map_err(Error::from)?;
        if let Some(end) = end.as_ref().filter(|end| end.is_open && end.is_ours) {
            let (held, epoch, next, previous) = (spool.clone(), end.epoch, end.next, end.previous);
            let waiting = off_thread(move || held.after(epoch, next, previous)).await;
            let place = place_after(end, &waiting);
            match self.resume(&place).await {
                Ok(follower) => {
                    let first = place.next;
                    self.shared.begin(&place, waiting, true);
                    let thread = self.begin(follower, &database, &spool, place)?;
                    self.begun(true, first.0);
                    return self.go_on(thread, &database, &spool).await;
                }
                Err(Resume::Not(end)) => return Err(end),
                Err(Resume::Lost(why)) => {
                    // What waits is history all the same.
                    self.shared.begin(&place, waiting, true);
                    self.shared.over();
                    let mut stop = self.stop.clone();
                    tokio::select! {
                        sent = self.send(&database, &spool) => sent?,
                        () = asked_to(&mut stop) => return Err(End::Stopped),
                    }
                    // Of an epoch in which nothing was committed nothing is lost.
                    if place.previous.is_some() {
                        self.gap(&why);
                    }
                }
            }
        }
        if end.is_some_and(|end| end.is_open && !end.is_ours) {
            // Whoever has it is asked, or taken over from, by a plain snapshot: only
            // then it is known which commits there are.
            let asked = Asked::usual(Cause::Start);
            self.inner.back_up_as(&self.watched, startup(), asked).await?;
        }
        spool.clear();
        let end = database.log_end().await.map_err(Error::from)?;
        let first = end.map_or(CommitNo(1), |end| end.next_commit);
        let follower = self.attach(Start::Fresh).await.map_err(cannot)?;
        let place = place_of_new(database.draw_epoch(), first);
        self.shared.begin(&place, Vec::new(), false);
        let epoch = place.epoch;
        let mut thread = self.begin(follower, &database, &spool, place)?;
        self.base(&mut thread, epoch, first, at).await?;
        self.shared.is_based();
        self.begun(false, first.0);
        self.go_on(thread, &database, &spool).await
    }

    /// Takes the snapshot that an epoch begins with: its record opens it.
    async fn base(
        &mut self,
        thread: &mut Thread,
        epoch: EpochId,
        first: CommitNo,
        at: usize,
    ) -> Result<(), End> {
        let mut settings = startup();
        let shared = Arc::clone(&self.shared);
        let following = Arc::new(Here { shared, epoch, first });
        settings.following = Some(FollowedBy { following, at });
        let backing = self.inner.back_up_as(&self.watched, settings, Asked::usual(Cause::Start));
        let mut stop = self.stop.clone();
        let placed = tokio::select! {
            placed = backing => placed?,
            ended = &mut thread.ended => return Err(ended_by(ended)),
            () = asked_to(&mut stop) => return Err(End::Stopped),
        };
        if placed.position != at {
            let why = placed.fallback_reason.unwrap_or_default();
            let name = self.watched.name.clone();
            return Err(End::Later(Error::NotFollowed { name, why }));
        }
        Ok(())
    }

    /// Sends what comes until the follower ends, and then the rest.
    async fn go_on(
        &self,
        mut thread: Thread,
        database: &Database,
        spool: &Spool,
    ) -> Result<(), End> {
        let mut stop = self.stop.clone();
        let mut sending = std::pin::pin!(self.send(database, spool));
        let ended = tokio::select! {
            // Over before the follower is where nothing can be sent any more.
            sent = &mut sending => {
                sent?;
                (&mut thread.ended).await
            }
            ended = &mut thread.ended => ended,
            () = asked_to(&mut stop) => {
                thread.stop.stop();
                // Until somebody loses patience, the rest is sent.
                sending.as_mut().await?;
                (&mut thread.ended).await
            }
        };
        match ended {
            Ok(Ok(())) => Ok(()),
            ended => Err(ended_by(ended)),
        }
    }

    /// Stores what waits, in order, until the follower has ended and nothing waits.
    async fn send(&self, database: &Database, spool: &Spool) -> Result<(), End> {
        let mut changes = self.shared.changes();
        let mut pause = AGAIN;
        loop {
            changes.borrow_and_update();
            let Some(number) = self.shared.next() else {
                if self.shared.is_drained() || changes.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            };
            let held = spool.clone();
            let read = off_thread(move || held.get(number)).await;
            let (ticket, segment) =
                read.map_err(|error: SpoolError| End::Gap(causes_of(&error)))?;
            match database.append(ticket.epoch, number, segment.bytes.into()).await {
                Ok(_) => {
                    self.shared.stored(number);
                    spool.remove(number);
                    pause = AGAIN;
                }
                Err(error) => {
                    let error = Error::from(error);
                    if error.kind() == ErrorKind::HeldByOther {
                        return Err(End::Over(error));
                    }
                    let (name, why) = (&self.watched.name, causes_of(&error));
                    tracing::warn!(database = name, "commits wait on the disk: failed to {why}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    async fn attach(&self, start: Start) -> Result<Follower, FollowError> {
        let path = self.watched.path.clone();
        let mut options = FollowOptions::default();
        let count = u32::try_from(self.inner.plan().followed().count()).unwrap_or(u32::MAX);
        options.limits.rest *= (count / LOOKS).clamp(1, 10);
        off_thread(move || Follower::attach(&path, start, &options)).await
    }

    /// Attaches where the log ends, if nothing can have happened in between.
    async fn resume(&self, place: &Place) -> Result<Follower, Resume> {
        let mark = <[u8; Position::LEN]>::try_from(&place.mark[..]).ok();
        let Some(position) = mark.and_then(|mark| Position::from_bytes(&mark)) else {
            return Err(Resume::Lost("the log does not say where in the WAL it ends".into()));
        };
        self.attach(Start::Resume(position)).await.map_err(|error| match error {
            error @ FollowError::NotContinuous { .. } => Resume::Lost(causes_of(&error)),
            error => Resume::Not(cannot(error)),
        })
    }

    /// Has a thread follow.
    fn begin(
        &self,
        follower: Follower,
        database: &Database,
        spool: &Spool,
        place: Place,
    ) -> Result<Thread, End> {
        let follow = self.watched.follow.unwrap_or_default();
        let (shared, parts) = (Arc::clone(&self.shared), (spool.clone(), follow.spool));
        let writer = Writer::new(database.clone(), shared, parts, follow.interval, place);
        let (say, ended) = oneshot::channel();
        let stop = follower.stop_handle();
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let done = run(follower, writer, &shared);
            shared.over();
            // Whoever began it may be gone.
            let _ = say.send(done);
        };
        let builder = std::thread::Builder::new().name("follow".into()).stack_size(STACK);
        builder.spawn(work).map_err(|source| End::Later(Error::Runtime { source }))?;
        Ok(Thread { stop, ended })
    }
}

/// Waits until it is asked to stop, also by nobody being there any more.
pub(super) async fn asked_to(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Why following does not go on where it ended.
enum Resume {
    /// It is not known what happened in between.
    Lost(String),
    Not(End),
}

/// Follows until it is told to stop or something is wrong, and puts aside what was
/// handed over in either case.
fn run(follower: Follower, mut writer: Writer, shared: &Shared) -> Result<(), FollowError> {
    match follower.run(&mut writer) {
        Ok(followed) => {
            writer.finish().map_err(FollowError::Sink)?;
            if shared.is_for_good() {
                followed.detach();
            }
            // Else the WAL stays, also where nobody else has the database open: it is
            // what proves to the next start that nothing is missing.
            Ok(())
        }
        Err(error @ FollowError::Sink(_)) => Err(error),
        Err(error) => {
            if let Err(lost) = writer.finish() {
                tracing::warn!("the last commits are not put aside: {lost}");
            }
            Err(error)
        }
    }
}

fn startup() -> BackupSettings {
    BackupSettings { trigger: Trigger::Startup, ..BackupSettings::default() }
}

fn cannot(error: FollowError) -> End {
    let why = format!("failed to {}", causes_of(&error));
    match error {
        FollowError::CannotFollow(_) | FollowError::Connect(_) => End::Cannot(why),
        _ => End::Gap(why),
    }
}

/// Why following ended that nobody asked to end.
fn ended_by(ended: ThreadEnd) -> End {
    match ended {
        Ok(Ok(())) => End::Stopped,
        Ok(Err(FollowError::Sink(error))) if error.is::<SpoolFull>() => {
            End::Gap(format!("failed to {error}"))
        }
        Ok(Err(error)) => cannot(error),
        Err(_) => End::Gap("whoever followed it panicked: this is a mistake in lifeboat".into()),
    }
}

/// Files and SQLite block.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
