//! One run: a backup or a piece of upkeep, from its beginning to what is told of it.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_agent::{Backed, Cause, Job, Start, What};
use lifeboat_format::record::Trigger;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::around::Around;
use super::plan::Watched;
use super::witness::Happening;
use super::{Inner, is_upkeep};
use crate::destination::Missing;
use crate::destinations::{Destinations, Placed, Thinned};
use crate::error::{Error, ErrorKind, causes_of};
use crate::hint::{About, hint, safety};
use crate::take::{BackupSettings, Compression};

/// Heartbeats are at least this far apart.
const BEAT: time::Duration = time::Duration::HOUR;

/// How a backup is asked for.
pub(super) struct Asked {
    pub(super) cause: Cause,
    /// How long its turn is waited for.
    pub(super) patience: Option<Duration>,
    /// Where it goes, instead of what the plan says.
    pub(super) destinations: Option<Destinations>,
}

impl Asked {
    pub(super) fn usual(cause: Cause) -> Self {
        Self { cause, patience: None, destinations: None }
    }

    /// Waits for a turn, as long as there is patience.
    pub(super) async fn turn<T>(
        &self,
        name: &str,
        turn: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let Some(patience) = self.patience else { return Ok(turn.await) };
        let turn = tokio::time::timeout(patience, turn).await;
        turn.map_err(|_| Error::Occupied { name: name.to_owned() })
    }
}

/// Something runs, until this is dropped.
struct Under<'a> {
    inner: &'a Inner,
    name: &'a str,
    job: Job,
}

impl<'a> Under<'a> {
    fn way(inner: &'a Inner, name: &'a str, job: Job, cause: Cause) -> Self {
        inner.known().entry(name.to_owned()).or_default().running.push(job);
        tracing::info!(database = name, %job, "{cause}");
        inner.emit(name, What::Began { job, cause });
        Self { inner, name, job }
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        if let Some(status) = self.inner.known().get_mut(self.name)
            && let Some(at) = status.running.iter().position(|job| *job == self.job)
        {
            status.running.swap_remove(at);
        }
    }
}

impl Inner {
    /// Does what is due. False if it is to be tried again before its time.
    pub(super) async fn due(&self, start: &Start) -> bool {
        // Gone from the settings since it was planned, or switched off.
        let Ok(watched) = self.watched(&start.database) else { return true };
        if self.enabled().is_err() {
            return true;
        }
        if is_upkeep(start.job) {
            return self.upkeep(&watched, start.job, start.cause).await.unwrap_or(false);
        }
        let trigger = match start.cause {
            Cause::Start => Trigger::Startup,
            Cause::Asked => Trigger::Manual,
            _ => Trigger::Scheduled,
        };
        let settings = BackupSettings { trigger, ..BackupSettings::default() };
        self.back_up(&watched, settings, start.cause).await.is_ok()
    }

    /// Backs a database up, when no other run of it goes on and there is a slot.
    pub(super) async fn back_up(
        &self,
        watched: &Arc<Watched>,
        settings: BackupSettings,
        cause: Cause,
    ) -> Result<Placed, Error> {
        self.back_up_as(watched, settings, Asked::usual(cause)).await
    }

    /// As [`back_up`](Self::back_up), for whoever asks.
    pub(super) async fn back_up_as(
        &self,
        watched: &Arc<Watched>,
        mut settings: BackupSettings,
        asked: Asked,
    ) -> Result<Placed, Error> {
        self.enabled()?;
        if let Some(error) = watched.out_of_reach() {
            return Err(error);
        }
        let name = watched.name.as_str();
        let lock = self.run_of(name);
        // The lock first: who waits for a run of the same database takes nobody's
        // place.
        let turn = async {
            let alone = lock.lock().await;
            (alone, self.slots.acquire().await.expect("it is never closed"))
        };
        let _turn = asked.turn(name, turn).await?;
        let _under = Under::way(self, name, Job::Backup, asked.cause);
        let plan = self.enabled()?;
        let destinations = asked.destinations.as_ref().unwrap_or(&plan.destinations);
        settings.name = Some(name.to_owned());
        settings.adopt |= plan.adopt;
        if settings.compression == Compression::default() {
            settings.compression = plan.compression;
        }
        if settings.following.is_none() && asked.destinations.is_none() {
            settings.following = self.keepers.of(name).and_then(|shared| shared.followed_by());
        }
        let around = Around::new(self, &plan, watched, asked.cause);
        let clock = Instant::now();
        let (places, missing) = (&watched.destinations, Missing::CreateIfLocal);
        let made = async {
            around.before().await.inspect_err(|error| {
                // A backup that was not begun is one that failed, whoever asks later.
                destinations.remember(name, Err(error));
            })?;
            let began = self.now();
            let placed = destinations.backup(&watched.path, &settings, places, missing).await?;
            Ok((began, placed))
        };
        let (began, placed) = match made.await {
            Ok(made) => made,
            Err(error) => {
                self.failed(watched, Job::Backup, &error, clock);
                // Seen from other machines too, where the store can be reached.
                destinations.tell_failed(name, places, &error).await;
                around.failed(&error).await;
                return Err(error);
            }
        };
        let took = clock.elapsed();
        self.tell(watched, &Happening::BackedUp { placed: &placed, took });
        let place = destinations.settings().nth(placed.position);
        let collect = watched.keeping.collect;
        for thinned in destinations.thin_after(&placed, name, collect).await {
            self.thinned(watched, &thinned);
        }
        let mut backed = backed(&placed, place.map_or("", |place| &place.name));
        backed.took = took;
        self.beat(watched, began, &placed).await;
        {
            let mut known = self.known();
            let status = known.entry(name.to_owned()).or_default();
            status.failures.remove(&Job::Backup);
            status.last_error = None;
            status.last_good = Some(began);
            status.last = Some(Box::new(backed.clone()));
        }
        self.emit(name, What::BackedUp(backed.clone()));
        around.after(&backed).await;
        Ok(placed)
    }

    /// Tells what went by the rules of a destination. The backup is made: what fails
    /// here is no failure of it.
    pub(super) fn thinned(&self, watched: &Watched, thinned: &Thinned) {
        match (&thinned.done, thinned.newest) {
            (Ok(0), _) => {}
            (Ok(forgotten), Some(count)) => {
                self.tell(watched, &Happening::Limited { count, forgotten: *forgotten });
            }
            (Ok(forgotten), None) => self.tell(watched, &Happening::Forgotten(*forgotten)),
            (Err(error), _) => {
                let why = causes_of(error);
                let text = format!(
                    "the snapshot is stored, but older ones are still there: failed to {why}"
                );
                self.tell(watched, &Happening::Warning(&text));
            }
        }
    }

    /// Says that an unchanged database is watched. The state is proven to be there;
    /// that nobody is told is no failure.
    async fn beat(&self, watched: &Watched, began: OffsetDateTime, placed: &Placed) {
        if !placed.report.unchanged {
            return;
        }
        let last = self.known().get(&watched.name).and_then(|status| status.beat);
        if last.is_some_and(|last| began >= last && began - last < BEAT) {
            return;
        }
        match placed.destination.beat(began, &placed.report).await {
            Ok(()) => {
                self.known().entry(watched.name.clone()).or_default().beat = Some(began);
            }
            Err(error) => {
                let text = format!("failed to say that it is watched: {}", causes_of(&error));
                self.tell(watched, &Happening::Warning(&text));
            }
        }
    }

    /// Does a piece of upkeep. False if it is to be tried again before its time.
    pub(super) async fn upkeep(
        &self,
        watched: &Arc<Watched>,
        job: Job,
        cause: Cause,
    ) -> Result<bool, Error> {
        let name = watched.name.as_str();
        let _under = Under::way(self, name, job, cause);
        let clock = Instant::now();
        let done = match self.keep_up(watched, job).await {
            Ok(done) => done,
            Err(error) => {
                self.failed(watched, job, &error, clock);
                // What would be fetched anew each hour, to fail again, is not; a
                // store that was away is asked again.
                let again = job != Job::Drill || error.kind() == ErrorKind::Storage;
                return if again { Err(error) } else { Ok(true) };
            }
        };
        if let Some(what) = done.trouble.as_ref().or(done.damage.as_ref()) {
            let failures = self.count_failure(name, job);
            let error = format!("failed to {what}");
            let is_damage = done.damage.is_some();
            let hint = is_damage.then(|| format!("`lifeboat repair {name}` says what can be done"));
            let what = What::Failed {
                job,
                took: clock.elapsed(),
                error,
                hint,
                data_is_safe: !is_damage,
                failures,
            };
            self.emit(name, what);
            return Ok(done.trouble.is_none());
        }
        if let Some(status) = self.known().get_mut(name) {
            status.failures.remove(&job);
        }
        self.emit(name, What::Done { job, took: clock.elapsed(), summary: done.summary });
        Ok(true)
    }

    fn count_failure(&self, name: &str, job: Job) -> u32 {
        let mut known = self.known();
        let failures = known.entry(name.to_owned()).or_default().failures.entry(job).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }

    fn failed(&self, watched: &Watched, job: Job, error: &Error, clock: Instant) {
        self.tell(watched, &Happening::Failed { job, error });
        let about = if is_upkeep(job) { About::Reading } else { About::Backup };
        let text = format!("failed to {}", causes_of(error));
        self.note_failure(&watched.name, job, text, hint(error), safety(error, about).0, clock);
    }

    /// Notes and tells that work ended badly.
    pub(super) fn note_failure(
        &self,
        name: &str,
        job: Job,
        error: String,
        hint: Option<String>,
        data_is_safe: bool,
        clock: Instant,
    ) {
        let failures = self.count_failure(name, job);
        if !is_upkeep(job)
            && let Some(status) = self.known().get_mut(name)
        {
            status.last_error = Some(error.clone());
        }
        let took = clock.elapsed();
        self.emit(name, What::Failed { job, took, error, hint, data_is_safe, failures });
    }
}

/// What listeners are told of a backup.
fn backed(placed: &Placed, destination: &str) -> Backed {
    let report = &placed.report;
    let mut backed = Backed::default();
    backed.snapshot = report.snapshot_id.to_string();
    backed.record = report.number.0;
    // The newest that was seen: the number and the digest belong together.
    let seen = placed.destination.database(&report.name).map(|database| database.newest_seen());
    if let Ok(Ok(Some((number, digest)))) = seen {
        (backed.record, backed.digest) = (number.0, digest.to_string());
    }
    backed.unchanged = report.unchanged;
    backed.destination = destination.to_owned();
    backed.fallback_reason.clone_from(&placed.fallback_reason);
    backed.pages_total = u64::from(report.geometry.page_count());
    backed.pages_changed = report.pages_changed;
    backed.size =
        u64::from(report.geometry.page_count()) * u64::from(report.geometry.page_size().bytes());
    backed.bytes_read = report.bytes_read;
    backed.bytes_sent = report.bytes_sent;
    backed.requests = placed.requests;
    backed
}
