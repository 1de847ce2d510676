//! Several destinations of the same databases: a primary, fallbacks, mirrors.
//!
//! A snapshot goes whole to the first of them that works. All share one
//! repository id and its keys: one that is empty adopts them from another, or
//! from what this installation kept of it.

mod adopt;
mod backup;
mod heal;
mod look;
mod reading;
mod sync;
mod thin;
mod whole;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lifeboat_config::{Links, Role};
use lifeboat_remote::{Breaker, RemoteOptions, is_local_path, without_secrets};
use lifeboat_repository::{LocalOptions, Secret};

use crate::choice::{Candidate, Choice};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, ErrorKind, causes_of};
use crate::setup::Kept;

pub use backup::Placed;
pub use heal::Healed;
pub use reading::{Everywhere, Merged};
pub use sync::{Copied, SyncReport};
pub use thin::Thinned;
pub use whole::{ReadAs, Whole};

/// The time that a destination has to show that it works, where another could be
/// taken.
const PATIENCE: Duration = Duration::from_secs(4);

/// The time that each request of it has, tries included.
const IMPATIENCE: Duration = Duration::from_millis(2500);

/// How long an operation there may get no further, where another could be taken.
const STALL: Duration = Duration::from_secs(12);

/// How long there may be no connection to the only place that there is, where
/// somebody waits to read from it.
const KNOCKING: Duration = Duration::from_secs(15);

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
    /// Rules of its own instead, applied after each backup and copy that arrives.
    pub keep: Option<Arc<Kept>>,
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
            keep: None,
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

    /// The options with which it is opened for good: where there are others, it may
    /// not stand still; where there is none and nothing is at stake, somebody must be
    /// there.
    fn opening(&self, others: bool, missing: Missing) -> RemoteOptions {
        let mut options = self.options.clone();
        if self.is_local() {
            return options;
        }
        if others {
            options.stall_timeout.get_or_insert(STALL);
        } else if missing == Missing::Refuse {
            options.connect_budget.get_or_insert(KNOCKING);
        }
        options
    }

    /// How it is used once it is open, whoever opened it.
    fn tempered(&self, destination: &Destination, others: bool) -> Destination {
        if self.is_local() {
            return destination.clone();
        }
        let RemoteOptions { stall_timeout: stall, connect_budget, .. } = self.options;
        let stall = if others { stall.or(Some(STALL)) } else { stall };
        destination
            .over(|remote| remote.with_stall_timeout(stall).with_connect_budget(connect_budget))
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
    /// The rules about files that are kept with databases.
    media: Vec<Links>,
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
        Self {
            inner: Arc::new(Inner {
                members,
                installation,
                secret,
                reason: None,
                media: Vec::new(),
            }),
        }
    }

    /// Why others than the first are taken, where that is known from the start.
    #[must_use]
    pub fn because(self, reason: Option<String>) -> Self {
        self.change(|inner| inner.reason = reason)
    }

    /// With rules about objects that databases mention: where one asks for that, they
    /// are kept with the snapshots.
    #[must_use]
    pub fn with_links(self, links: &[Links]) -> Self {
        let wanted = links.iter().filter(|links| links.backup).cloned().collect();
        self.change(|inner| inner.media = wanted)
    }

    /// Only before anybody else has them.
    fn change(self, change: impl FnOnce(&mut Inner)) -> Self {
        match Arc::try_unwrap(self.inner) {
            Ok(mut inner) => {
                change(&mut inner);
                Self { inner: Arc::new(inner) }
            }
            Err(shared) => Self { inner: shared },
        }
    }

    /// The same destinations, of which nothing is known and nothing is open: for
    /// another runtime.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let Inner { installation, secret, reason, media, .. } = &*self.inner;
        let members = self.settings().cloned().collect();
        Self::new(members, installation.clone(), secret.clone())
            .because(reason.clone())
            .with_links(media)
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

    /// Opens the primary of those with these names, or of all: where the log of a
    /// database lies, whatever else works.
    pub(crate) async fn first(&self, names: &[String]) -> Result<(usize, Destination), Error> {
        let is_meant = |member: &Member| {
            let settings = &member.settings;
            let named = names.is_empty() || names.contains(&settings.name);
            named && settings.role != Role::Mirror
        };
        let mut meant = self.inner.members.iter().enumerate().filter(|(_, one)| is_meant(one));
        let Some((at, member)) = meant.next() else { return Err(self.nowhere(names, vec![])) };
        match self.open(at, Missing::CreateIfLocal, false).await {
            Ok(destination) => Ok((at, destination)),
            Err(trouble) => {
                member.failed(&trouble.reason());
                Err(match trouble {
                    Trouble::Is(error) => error,
                    Trouble::Silent => Error::Silent { place: member.shown.clone() },
                })
            }
        }
    }

    /// Makes the repository at the destination of this name, whatever its role, also
    /// where one was before and is gone for good. It is that of the others, where any
    /// of them can be read.
    ///
    /// Cancelled or killed, it is made whole by the next call.
    pub async fn begin(&self, name: &str) -> Result<Destination, Error> {
        let named = |member: &Member| member.settings.name == name;
        let Some(at) = self.inner.members.iter().position(named) else {
            return Err(Error::NoRepository { place: name.to_owned() });
        };
        self.open(at, Missing::Create, false).await.map_err(|trouble| match trouble {
            Trouble::Is(error) => error,
            Trouble::Silent => Error::Silent { place: self.inner.members[at].shown.clone() },
        })
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

    /// An error that ends everything, after a warning that has the reasons of those
    /// before.
    fn told(&self, error: Error, choice: &Choice) -> Error {
        if let Some(reasons) = choice.passed_over() {
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
    /// too long. One that holds another repository than those before it is refused.
    async fn open(
        &self,
        at: usize,
        missing: Missing,
        others: bool,
    ) -> Result<Destination, Trouble> {
        let member = &self.inner.members[at];
        let settings = &member.settings;
        if let Some(opened) = member.state().opened.clone() {
            return Ok(settings.tempered(&opened, others));
        }
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
            self.open_as(settings, settings.opening(others, missing), missing).await
        };
        let destination = settings.tempered(&opened.map_err(Trouble::Is)?, others);
        if self.inner.members.len() > 1 {
            self.check_same_repository(at, &destination).map_err(Trouble::Is)?;
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
