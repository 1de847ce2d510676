//! Several destinations of the same databases: a primary, fallbacks, mirrors.
//!
//! A snapshot goes whole to the first of them that works. All share one
//! repository id and its keys: one that is empty adopts them from another, or
//! from what this installation kept of it.

mod backup;
mod heal;
mod look;
mod reading;
mod sync;
mod watch;
mod whole;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lifeboat_config::Role;
use lifeboat_format::digest::Digest;
use lifeboat_remote::{Breaker, Remote, RemoteOptions, is_local_path, without_secrets};
use lifeboat_repository::{LocalOptions, Secret};

use crate::choice::{Candidate, Choice};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, ErrorKind, causes_of};

pub use backup::Placed;
pub use reading::{Everywhere, Merged};
pub use sync::{Copied, SyncReport};
pub use whole::{ReadAs, Whole};

/// The time that a destination has to show that it works, where another could be
/// taken.
const PATIENCE: Duration = Duration::from_secs(4);

/// The time that each request of it has, tries included.
const IMPATIENCE: Duration = Duration::from_millis(2500);

/// One of several destinations, as settings describe it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DestinationSettings {
    /// What people call it.
    pub name: String,
    /// Its part among the others.
    pub role: Role,
    /// A path or URL.
    pub place: String,
    /// How the store is reached.
    pub options: RemoteOptions,
    /// Whether the first backup makes the repository, as in a local directory.
    pub create: bool,
    /// How many snapshots of each database stay there; more are forgotten, the
    /// oldest first, after a backup.
    pub max_snapshots: Option<u32>,
    /// What else to say when it does not work.
    pub remark: Option<String>,
}

impl DestinationSettings {
    /// A destination at a path or URL, by which it is called as well.
    pub fn new(role: Role, place: impl Into<String>) -> Self {
        let place = place.into();
        Self {
            name: place.clone(),
            role,
            place,
            options: RemoteOptions::default(),
            create: false,
            max_snapshots: None,
            remark: None,
        }
    }

    /// Whether the first backup makes the repository there.
    pub fn begins_anew(&self) -> bool {
        self.create || self.is_local()
    }

    fn is_local(&self) -> bool {
        is_local_path(&self.place)
    }

    /// The options with which it is asked whether it works.
    fn impatient(&self) -> RemoteOptions {
        let mut options = self.options.clone();
        if self.is_local() {
            // These mean nothing for a directory.
            return options;
        }
        options.connect_timeout = options.connect_timeout.min(IMPATIENCE);
        options.request_timeout = options.request_timeout.min(IMPATIENCE);
        options.retry_budget = options.retry_budget.min(IMPATIENCE);
        options
    }
}

/// Several destinations. Cheap to clone; clones share what is known of each.
#[derive(Clone, Debug)]
pub struct Destinations {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    members: Vec<Member>,
    installation: LocalOptions,
    secret: Option<Secret>,
    /// Why others than the first are taken, where that is known from the start.
    reason: Option<String>,
}

#[derive(Debug)]
struct Member {
    settings: DestinationSettings,
    shown: String,
    state: Mutex<MemberState>,
}

#[derive(Debug, Default)]
struct MemberState {
    opened: Option<Destination>,
    breaker: Breaker,
    trouble: Option<String>,
}

/// The destination that was taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chosen {
    /// It, opened.
    pub destination: Destination,
    /// Its position among those that were given.
    pub position: usize,
    /// Why it was not the first.
    pub fallback_reason: Option<String>,
}

/// Why a destination was not opened.
enum Trouble {
    Is(Error),
    Silent,
}

impl Destinations {
    /// In this order, for an installation, with what opens their repositories.
    pub fn new(
        members: Vec<DestinationSettings>,
        installation: LocalOptions,
        secret: Option<Secret>,
    ) -> Self {
        let member = |settings: DestinationSettings| Member {
            shown: without_secrets(&settings.place),
            settings,
            state: Mutex::default(),
        };
        let members = members.into_iter().map(member).collect();
        Self { inner: Arc::new(Inner { members, installation, secret, reason: None }) }
    }

    /// Why others than the first are taken, where that is known from the start.
    #[must_use]
    pub fn because(self, reason: Option<String>) -> Self {
        let Inner { members, installation, secret, .. } = match Arc::try_unwrap(self.inner) {
            Ok(inner) => inner,
            Err(shared) => return Self { inner: shared },
        };
        Self { inner: Arc::new(Inner { members, installation, secret, reason }) }
    }

    /// The same destinations, of which nothing is known and nothing is open: for
    /// another runtime.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let Inner { installation, secret, reason, .. } = &*self.inner;
        let members = self.settings().cloned().collect();
        Self::new(members, installation.clone(), secret.clone()).because(reason.clone())
    }

    /// The settings of each, in their order.
    pub fn settings(&self) -> impl Iterator<Item = &DestinationSettings> {
        self.inner.members.iter().map(|member| &member.settings)
    }

    /// How many requests were made of those that were opened.
    pub fn requests(&self) -> u64 {
        let opened = |member: &Member| member.state().opened.clone();
        let opened = self.inner.members.iter().filter_map(opened);
        opened.map(|destination| destination.repository().remote().requests()).sum()
    }

    /// Takes the first that works, of those with these names, or of all. Where
    /// none does, the error has the reason of each.
    pub async fn choose(&self, names: &[String], missing: Missing) -> Result<Chosen, Error> {
        let mut choice = self.choice(names);
        let mut causes = Vec::new();
        while let Some(at) = choice.next() {
            match self.try_open(at, missing, &mut choice).await {
                Ok(destination) => {
                    let fallback_reason = choice.fallback_reason();
                    if let Some(reason) = &fallback_reason {
                        tracing::warn!("using {}: {reason}", self.inner.members[at].shown());
                    }
                    return Ok(Chosen { destination, position: at, fallback_reason });
                }
                Err(cause) if means_elsewhere(&cause.error) => causes.push(cause),
                Err(cause) => return Err(self.told(*cause.error, &choice)),
            }
        }
        Err(self.nowhere(names, causes))
    }

    fn choice(&self, names: &[String]) -> Choice {
        let now = Instant::now();
        let candidates = self.inner.members.iter().map(|member| {
            let wanted = names.is_empty() || names.contains(&member.settings.name);
            let mut candidate = Candidate::new(member.shown(), member.settings.role);
            // Who is not meant is passed over as mirrors are.
            candidate.role = if wanted { candidate.role } else { Role::Mirror };
            let state = member.state();
            candidate.out = state.trouble.clone().filter(|_| !state.breaker.allows(now));
            candidate
        });
        Choice::new(candidates.collect()).because(self.inner.reason.clone())
    }

    /// Opens one; what fails is told to the choice.
    async fn try_open(
        &self,
        at: usize,
        missing: Missing,
        choice: &mut Choice,
    ) -> Result<Destination, Cause> {
        let member = &self.inner.members[at];
        let trouble = match self.open(at, missing, choice.has_others()).await {
            Ok(destination) => return Ok(destination),
            Err(trouble) => trouble,
        };
        let reason = trouble.reason();
        let remark = member.settings.remark.as_deref().unwrap_or_default();
        let told = format!("{} does not work: {remark}{reason}", member.shown());
        member.failed(&reason);
        choice.failed(told);
        let error = match trouble {
            Trouble::Is(error) => error,
            Trouble::Silent => Error::Silent { place: member.shown.clone() },
        };
        Err(Cause { place: member.shown().to_owned(), error: Box::new(error) })
    }

    /// An error that ends everything, after a warning that has the reasons of the
    /// others.
    fn told(&self, error: Error, choice: &Choice) -> Error {
        if let Some(reasons) = choice.fallback_reason() {
            tracing::warn!("{reasons}");
        }
        error
    }

    fn nowhere(&self, names: &[String], mut causes: Vec<Cause>) -> Error {
        match causes.len() {
            // Only where no destination has one of these names.
            0 => Error::NoRepository { place: names.join(", ") },
            1 => *causes.remove(0).error,
            _ => Error::Nowhere { causes },
        }
    }

    /// Opens one as it is used; where there are others, it is asked impatiently
    /// first, so that the reason is the store's own and not that trying again took
    /// too long.
    async fn open(
        &self,
        at: usize,
        missing: Missing,
        others: bool,
    ) -> Result<Destination, Trouble> {
        let member = &self.inner.members[at];
        if let Some(opened) = member.state().opened.clone() {
            return Ok(opened);
        }
        let settings = &member.settings;
        // One that was there and is gone is not begun anew without being asked for.
        let missing = match missing {
            Missing::CreateIfLocal if settings.create => Missing::CreateFirst,
            missing => missing,
        };
        let creates = missing.creates(settings.is_local());
        if others && !settings.is_local() {
            let asked = self.open_as(settings, settings.impatient(), Missing::Refuse);
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(Error::NoRepository { .. })) if creates => {}
                Ok(Err(error)) => return Err(Trouble::Is(error)),
                Err(_) => return Err(Trouble::Silent),
            }
        }
        let opened = if self.inner.members.len() > 1 && creates {
            self.open_or_adopt(at, missing).await
        } else {
            self.open_as(settings, settings.options.clone(), missing).await
        };
        let destination = opened.map_err(Trouble::Is)?;
        if self.inner.members.len() > 1 {
            self.keep_seed(at, &destination).await;
        }
        let mut state = member.state();
        state.opened = Some(destination.clone());
        state.breaker.worked();
        state.trouble = None;
        drop(state);
        Ok(destination)
    }

    async fn open_as(
        &self,
        settings: &DestinationSettings,
        options: RemoteOptions,
        missing: Missing,
    ) -> Result<Destination, Error> {
        let Inner { installation, secret, .. } = &*self.inner;
        let installation = installation.clone();
        Destination::open_as(&settings.place, options, installation, missing, secret.as_ref()).await
    }

    /// Opens one, or makes it a destination of the repository that the others
    /// have. Only where none of them is known it begins a repository of its own.
    async fn open_or_adopt(&self, at: usize, missing: Missing) -> Result<Destination, Error> {
        let settings = &self.inner.members[at].settings;
        match self.open_as(settings, settings.options.clone(), Missing::Refuse).await {
            Err(Error::NoRepository { .. }) => {}
            // Gone: only who asks for a new one gets one, and then the same one again.
            Err(error) if error.is_vanished() && missing == Missing::Create => {}
            opened => return opened,
        }
        let Some(parent) = self.parent_of(at).await? else {
            return self.open_as(settings, settings.options.clone(), missing).await;
        };
        let remote =
            Remote::open_or_create_with(&settings.place, settings.options.clone()).map_err(
                |source| Error::Destination { place: without_secrets(&settings.place), source },
            )?;
        let secret = self.inner.secret.as_ref();
        let repository = parent.repository().replicate(remote, secret).await?;
        Ok(Destination::adopted(repository, settings.is_local()))
    }

    /// The repository that a new destination belongs to: another destination's, or
    /// what this installation kept of one that is out.
    async fn parent_of(&self, at: usize) -> Result<Option<Destination>, Error> {
        for (other, member) in self.inner.members.iter().enumerate() {
            let settings = &member.settings;
            if other == at {
                continue;
            }
            if let Some(opened) = member.state().opened.clone() {
                return Ok(Some(opened));
            }
            if !member.state().breaker.allows(Instant::now()) {
                // It failed a moment ago.
                continue;
            }
            let asked = self.open_as(settings, settings.impatient(), Missing::Refuse);
            if let Ok(Ok(destination)) = tokio::time::timeout(PATIENCE, asked).await {
                return Ok(Some(destination));
            }
        }
        for (_, member) in self.inner.members.iter().enumerate().filter(|(other, _)| *other != at) {
            let seed = self.seed_path(&member.settings);
            if !seed.join("format").is_dir() {
                continue;
            }
            let settings = DestinationSettings::new(Role::Mirror, seed.to_string_lossy());
            return self
                .open_as(&settings, RemoteOptions::default(), Missing::Refuse)
                .await
                .map(Some);
        }
        Ok(None)
    }

    /// Keeps what makes another store a destination of this repository: its
    /// format objects and wrapped keys. What fails costs nothing now.
    async fn keep_seed(&self, at: usize, destination: &Destination) {
        let path = self.seed_path(&self.inner.members[at].settings);
        let repository = destination.repository();
        let newest = lifeboat_format::key::format(repository.format_count());
        if destination.is_local() || path.join(newest).is_file() {
            return;
        }
        let kept = async {
            let remote = Remote::open_or_create(&path.to_string_lossy()).map_err(|source| {
                Error::Destination { place: path.display().to_string(), source }
            })?;
            repository.replicate(remote, self.inner.secret.as_ref()).await?;
            Ok::<(), Error>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(path = %path.display(), "what a fallback would need is not kept: failed to {}", causes_of(&error));
        }
    }

    fn seed_path(&self, settings: &DestinationSettings) -> PathBuf {
        let name = Digest::of(settings.place.as_bytes()).to_string();
        self.inner.installation.state_dir.join("seeds").join(&name[..16])
    }
}

impl Member {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn state(&self) -> MutexGuard<'_, MemberState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It does not work: what was opened of it is no longer used.
    fn failed(&self, reason: &str) {
        let mut state = self.state();
        state.opened = None;
        state.breaker.failed(Instant::now());
        state.trouble = Some(reason.to_owned());
    }
}

impl Trouble {
    fn reason(&self) -> String {
        match self {
            Self::Is(Error::NoRepository { .. }) => {
                "there is no repository; `lifeboat init` makes one".into()
            }
            Self::Is(error) => format!("failed to {}", causes_of(error)),
            Self::Silent => format!("no answer within {} seconds", PATIENCE.as_secs()),
        }
    }
}

/// Whether an error of one destination is a reason to try another. A wrong key or
/// damage is none: it would go unnoticed.
fn means_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Storage | ErrorKind::NoRepository)
}
