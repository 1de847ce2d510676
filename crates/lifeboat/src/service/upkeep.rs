//! Upkeep: what is forgotten, collected, read again, restored to scratch and
//! copied home, and when it was last done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_agent::{Job, Planned, Schedule};
use lifeboat_format::digest::Digest;
use lifeboat_format::id::DatabaseName;
use lifeboat_repository::{CheckOptions, Depth, HealExtent, Selector, Share};
use time::OffsetDateTime;

use super::plan::{ServicePlan, Watched};
use super::witness::Happening;
use super::{Done, Inner};
use crate::destination::Missing;
use crate::drill::DrillSettings;
use crate::error::Error;
use crate::keep::Inventory;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A part of the data in a hundred that is read each day: all of it in a month.
const DAILY_SHARE: f64 = 3.5;

/// Plans the upkeep of a database, by when it was last done.
///
/// Where that is not known it comes within an hour, and not a day after the start:
/// a program that is started anew each day would never do it.
pub(super) fn plan(
    one: &Watched,
    state: &Path,
    returns: bool,
    now: OffsetDateTime,
    jobs: &mut Vec<Planned>,
) {
    let done = Times::read(state, &one.name);
    let all = [
        (Job::Prune, Some(DAY)),
        (Job::Check, Some(DAY)),
        (Job::Return, returns.then_some(DAY)),
        (Job::Drill, one.drills.every),
    ];
    for (job, every) in all {
        let Some(Ok(schedule)) = every.map(Schedule::every) else { continue };
        let every = schedule.longest_gap();
        let schedule = schedule.with_jitter(HOUR.min(every / 24)).with_start(false);
        let mut planned = Planned::new(&one.name, job, schedule);
        let unknown = || now - every + spread(&one.name, job, HOUR.min(every));
        planned.last = Some(done.0.get(&job).copied().unwrap_or_else(unknown));
        jobs.push(planned);
    }
}

/// A part of a time that is another for each database and kind of work, so that not
/// all comes at once.
fn spread(name: &str, job: Job, within: Duration) -> Duration {
    let digest = Digest::of(format!("{name} {job}").as_bytes());
    within / 256 * u32::from(digest.as_bytes()[0])
}

/// When upkeep of a database was last done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Times(BTreeMap<Job, OffsetDateTime>);

const JOBS: [Job; 4] = [Job::Prune, Job::Check, Job::Return, Job::Drill];

impl Times {
    fn path(state: &Path, name: &str) -> Option<PathBuf> {
        let name = DatabaseName::new(name).ok()?;
        Some(state.join("upkeep").join(name.key()))
    }

    /// What cannot be read is not known: it is done once more.
    fn read(state: &Path, name: &str) -> Self {
        let text = Self::path(state, name).and_then(|path| std::fs::read_to_string(path).ok());
        let line = |line: &str| {
            let (job, at) = line.split_once(' ')?;
            let job = JOBS.into_iter().find(|known| known.to_string() == job)?;
            Some((job, OffsetDateTime::from_unix_timestamp(at.parse().ok()?).ok()?))
        };
        Self(text.unwrap_or_default().lines().filter_map(line).collect())
    }

    /// Notes that something was done. Killed in the middle, the old times stay.
    fn note(state: &Path, name: &str, job: Job, at: OffsetDateTime) -> std::io::Result<()> {
        let Some(path) = Self::path(state, name) else { return Ok(()) };
        let mut times = Self::read(state, name);
        times.0.insert(job, at);
        let text: String =
            times.0.iter().map(|(job, at)| format!("{job} {}\n", at.unix_timestamp())).collect();
        let folder = path.parent().expect("it lies in a folder");
        std::fs::create_dir_all(folder)?;
        // No name of a database encodes to one with a blank.
        let draft = folder.join(format!("draft {}", lifeboat_repository::random_hex()));
        std::fs::write(&draft, text)?;
        std::fs::rename(&draft, &path)
    }
}

impl Inner {
    /// Does upkeep, and says whether it is to be tried again before its time.
    pub(super) async fn keep_up(&self, watched: &Arc<Watched>, job: Job) -> Result<Done, Error> {
        let plan = self.plan();
        let began = self.now();
        let done = match job {
            Job::Prune => self.prune(&plan, watched).await,
            Job::Check => self.check(&plan, watched).await,
            Job::Drill => self.drill(&plan, watched).await,
            Job::Return => self.bring_home(&plan, watched).await,
            _ => Ok(Done::default()),
        };
        let done = match done {
            // There is nothing yet of which anything could be kept.
            Err(Error::NoRepository { .. }) => return Ok(Done::default()),
            Err(error) => return Err(error),
            Ok(done) => done,
        };
        if done.trouble.is_none()
            && let Err(error) = Times::note(&plan.state, &watched.name, job, began)
        {
            let path = plan.state.display();
            tracing::warn!("when upkeep was done is not noted in {path}: {error}");
        }
        Ok(done)
    }

    /// Forgets what the policy does not keep, drops what was in the trash long
    /// enough, and deletes what nobody needs.
    async fn prune(&self, plan: &ServicePlan, watched: &Watched) -> Result<Done, Error> {
        let names = &watched.destinations;
        let chosen = plan.destinations.choose(names, Missing::Refuse).await?;
        let own = plan.destinations.settings().nth(chosen.position);
        let own = own.and_then(|place| place.keep.as_ref());
        let destination = chosen.destination;
        let (name, kept) = (watched.name.as_str(), own.unwrap_or(&watched.keeping));
        let mut words = Vec::new();
        if let Some(policy) = &kept.policy
            && let inventory = destination.inventory(name, None).await?
            && is_readable(&inventory)
        {
            let plan = destination.forget_of(name, &inventory, policy, &kept.zone).await?;
            let gone = plan.forgotten().count();
            if gone > 0 {
                self.tell(watched, &Happening::Forgotten(gone));
                words.push(format!("snapshots forgotten by the policy: {gone}"));
            }
        }
        let database = destination.database(name)?;
        let report = database.collect(kept.collect).await?;
        database.sweep_heartbeats().await?;
        if !report.deleted.is_empty() {
            self.tell(watched, &Happening::Collected(report.deleted.len()));
            words.push(format!("objects that nothing needs deleted: {}", report.deleted.len()));
        }
        Ok(Done::saying(words.join(", ")))
    }

    /// Reads the next share of the data.
    async fn check(&self, plan: &ServicePlan, watched: &Watched) -> Result<Done, Error> {
        let names = &watched.destinations;
        let destination = plan.destinations.choose(names, Missing::Refuse).await?.destination;
        let options = CheckOptions::of_depth(Depth::Data(Share::Percent(DAILY_SHARE)));
        let report = destination.database(&watched.name)?.check(&options).await?;
        self.tell(watched, &Happening::Checked(&report));
        let findings = &report.result.findings;
        let Some(first) = findings.first() else { return Ok(Done::default()) };
        let others = match findings.len() - 1 {
            0 => String::new(),
            others => format!("; and {others} more"),
        };
        Ok(Done::damage(format!("find it whole: {}: {}{others}", first.object, first.what)))
    }

    /// Restores the latest snapshot to scratch, and puts it to the test.
    async fn drill(&self, plan: &ServicePlan, watched: &Watched) -> Result<Done, Error> {
        let (name, latest) = (watched.name.as_str(), Selector::Latest(0));
        let names = &watched.destinations;
        let destination = plan.destinations.choose(names, Missing::Refuse).await?.destination;
        let snapshot = destination.resolve(name, &latest).await?;
        let body = snapshot.body();
        let needed = u64::from(body.page_size) * u64::from(body.page_count);
        room_for(destination.repository().local().cache_dir()?, needed)?;
        let mut settings = DrillSettings::default();
        settings.assertions.clone_from(&watched.drills.assertions);
        let report = destination.drill(name, &latest, &settings, |_| ()).await?;
        let place = destination.shown();
        self.tell(watched, &Happening::Drilled { place, report: &report });
        let drill = &report.drill;
        if drill.passed() {
            return Ok(Done::saying(format!("{} restores, and passed", drill.snapshot_id)));
        }
        let faults = drill.integrity.iter().chain(&drill.foreign_keys).cloned();
        let failed = drill.assertions.iter().filter(|one| !one.holds).map(|one| one.sql.clone());
        let first = faults.chain(failed).next().unwrap_or_default();
        Ok(Done::damage(format!("pass the drill of {}: {first}", drill.snapshot_id)))
    }

    /// Copies to the primary what it missed, and to mirrors what they lack; what is
    /// known to be damaged at one destination is put back from another.
    async fn bring_home(&self, plan: &ServicePlan, watched: &Watched) -> Result<Done, Error> {
        let (name, names) = (watched.name.as_str(), &watched.destinations);
        let report = plan.destinations.sync_among(Some(name), names, plan.adopt).await?;
        self.tell(watched, &Happening::Synced(&report));
        let collect = watched.keeping.collect;
        for thinned in plan.destinations.thin_filled(&report, name, collect).await {
            self.thinned(watched, &thinned);
        }
        let mut words = Vec::new();
        if !report.copied.is_empty() {
            words.push(format!("snapshots copied: {}", report.copied.len()));
        }
        let healed = self.heal(plan, watched).await?;
        if healed > 0 {
            words.push(format!("objects put back: {healed}"));
        }
        let mut done = Done::saying(words.join(", "));
        // It is tried again soon: what lies at one place alone is one disk away from
        // being lost.
        done.trouble = report.troubles.first().map(|cause| format!("copy to {cause}"));
        Ok(done)
    }

    /// Puts back what is damaged or gone at one place and whole at another, as far
    /// as records, presence and earlier checks show it.
    async fn heal(&self, plan: &ServicePlan, watched: &Watched) -> Result<usize, Error> {
        let extent = HealExtent::Shown;
        let healed = plan.destinations.heal(&watched.name, &extent, plan.adopt).await?;
        for (place, report) in &healed.reports {
            self.tell(watched, &Happening::Healed { place, report });
        }
        Ok(healed.reports.iter().map(|(_, report)| report.healed.len()).sum())
    }
}

/// Of what cannot be read nobody knows whether it is needed more than the rest.
fn is_readable(inventory: &Inventory) -> bool {
    inventory.listing.broken.is_empty() && inventory.listing.burnt.is_empty()
}

/// What stays free at least of a disk that is larger than ten times this, in bytes.
const RESERVE: u64 = 1 << 30;

/// Refuses to fill a disk on which others may depend.
fn room_for(path: &Path, needed: u64) -> Result<(), Error> {
    let Ok(disk) = rustix::fs::statvfs(path) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let reserve = (disk.f_blocks.saturating_mul(disk.f_frsize) / 10).min(RESERVE);
    if needed.saturating_add(reserve) > free {
        return Err(Error::NoRoom { path: path.to_owned(), needed, free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_that_are_noted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, at) = (folder.path(), datetime!(2026-11-21 10:00 UTC));
        assert_eq!(Times::read(state, "app"), Times::default());
        Times::note(state, "app", Job::Check, at).expect("writes");
        Times::note(state, "app", Job::Prune, at + DAY).expect("writes");
        Times::note(state, "a/b c", Job::Prune, at).expect("writes");
        let times = Times::read(state, "app").0;
        assert_eq!(times, [(Job::Check, at), (Job::Prune, at + DAY)].into());
        std::fs::write(Times::path(state, "app").expect("a name"), "check x\nnonsense")
            .expect("it");
        assert_eq!(Times::read(state, "app"), Times::default());
    }

    #[test]
    fn what_was_never_done_comes_within_an_hour() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, now) = (folder.path(), datetime!(2026-11-21 10:00 UTC));
        let hourly = Schedule::every(HOUR).expect("an interval");
        let one = Watched::new("app", "app.db", hourly);
        let due = |returns| {
            let mut jobs = Vec::new();
            plan(&one, state, returns, now, &mut jobs);
            let next = |one: &Planned| one.schedule.next_after(one.last.expect("known")) - now;
            jobs.iter().map(|one| (one.job, next(one))).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(due(true).keys().copied().collect::<Vec<_>>(), {
            let mut all = JOBS.to_vec();
            all.sort();
            all
        });
        assert!(!due(false).contains_key(&Job::Return));
        for (job, wait) in due(true) {
            assert!(wait >= time::Duration::ZERO && wait < HOUR, "{job}: {wait}");
        }
        Times::note(state, "app", Job::Drill, now).expect("writes");
        assert_eq!(due(true)[&Job::Drill], time::Duration::days(30));
    }
}
