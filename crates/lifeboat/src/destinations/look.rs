//! Looking at a database on all its destinations, for whoever judges how it is.

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use lifeboat_agent::Facts;
use lifeboat_config::Role;
use lifeboat_format::id::DatabaseName;
use time::OffsetDateTime;

use super::{Destinations, Trouble};
use crate::destination::{Destination, Missing};
use crate::error::{Error, ErrorKind, causes_of};
use crate::health::{Expected, Look, Runs, Seen, facts_of, look_here, taken_by};

/// A store that is looked at has this long, so that who asks is told of one that is
/// silent.
const LOOKING: std::time::Duration = std::time::Duration::from_secs(30);

/// A store that is to be told of a failure has this long.
const TELLING: std::time::Duration = std::time::Duration::from_secs(10);

/// So many databases are looked at at once.
const AT_ONCE: usize = 4;

/// A destination, opened, or why it cannot be asked.
struct Asked {
    at: usize,
    opened: Result<Destination, Out>,
}

/// Why a destination cannot be asked.
#[derive(Clone, Debug)]
struct Out {
    kind: ErrorKind,
    why: String,
    /// There is no repository yet, and never was one.
    nothing_yet: bool,
}

impl Destinations {
    /// Looks at a database: on its destinations, on this machine, and at what the
    /// last runs here came to. What cannot be asked is itself something to judge,
    /// and so no error.
    pub async fn look(&self, expected: &Expected) -> Look {
        let asked = self.ask().await;
        self.look_at(expected, &asked).await
    }

    /// Looks at many databases, in their order. Each destination is opened once.
    pub async fn look_at_all(&self, all: &[Expected]) -> Vec<Look> {
        let asked = self.ask().await;
        // Boxed, or the compiler does not see that all of this may change threads.
        let looks: Vec<BoxFuture<'_, Look>> =
            all.iter().map(|one| self.look_at(one, &asked).boxed()).collect();
        futures::stream::iter(looks).buffered(AT_ONCE).collect().await
    }

    async fn ask(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for at in 0..self.inner.members.len() {
            let opened = match self.open(at, Missing::Refuse, true).await {
                Ok(destination) => Ok(destination),
                Err(Trouble::Is(error)) => Err(self.out(at, error)),
                Err(Trouble::Silent) => Err(self.out(at, self.silent(at))),
            };
            asked.push(Asked { at, opened });
        }
        asked
    }

    fn out(&self, at: usize, error: Error) -> Out {
        let (kind, nothing_yet) = (error.kind(), matches!(error, Error::NoRepository { .. }));
        Out { kind, nothing_yet, why: self.inner.members[at].cause(error).to_string() }
    }

    fn silent(&self, at: usize) -> Error {
        Error::Silent { place: self.inner.members[at].shown().to_owned() }
    }

    async fn look_at(&self, expected: &Expected, asked: &[Asked]) -> Look {
        let (mut seen, mut out) = (Vec::new(), Vec::new());
        for Asked { at, opened } in asked {
            let member = &self.inner.members[*at];
            let settings = &member.settings;
            if !expected.places.is_empty() && !expected.places.contains(&settings.name) {
                continue;
            }
            let destination = match opened {
                Ok(destination) => destination,
                Err(why) => {
                    out.push((settings.role, why.clone()));
                    continue;
                }
            };
            let looking = destination.seen(settings.role, member.shown(), &expected.name);
            match tokio::time::timeout(LOOKING, looking).await {
                Ok(Ok(one)) => seen.push(one),
                Ok(Err(error)) => out.push((settings.role, self.out(*at, error))),
                Err(_) => out.push((settings.role, self.out(*at, self.silent(*at)))),
            }
        }
        let mut facts = facts_of(&seen);
        facts.interval = expected.interval;
        let trouble = judge_silence(&seen, out, &mut facts);
        if let Some(path) = &expected.path {
            look_here(path, &mut facts);
        }
        let failing = self.runs(&expected.name).and_then(|runs| runs.failing());
        if let Some(failing) = failing.filter(|failing| facts.last_good < Some(failing.at)) {
            (facts.failures, facts.last_error) = (failing.failures, Some(failing.error));
        }
        let taken = seen.first().map(|seen| taken_by(&seen.inventory));
        facts.quota = taken.zip(expected.max_bytes);
        let inventories = seen.into_iter().map(|seen| (seen.name, seen.inventory)).collect();
        Look { facts, inventories, trouble }
    }

    /// Remembers what a backup came to.
    pub(crate) fn remember(&self, name: &str, outcome: Result<(), &Error>) -> Option<bool> {
        let runs = self.runs(name)?;
        let kept = match outcome {
            Ok(()) => runs.succeeded().map(|before| before.is_some_and(|it| it.told.is_some())),
            Err(error) => {
                let words = format!("failed to {}", causes_of(error));
                runs.failed(OffsetDateTime::now_utc(), &words).map(|()| false)
            }
        };
        match kept {
            Ok(was_told) => Some(was_told),
            Err(error) => {
                tracing::info!("{name}: what its last runs came to is not remembered: {error}");
                None
            }
        }
    }

    /// Tells the repository that the last backup of a database failed, at most once
    /// an hour, so that it is seen from other machines as well. For whoever backs
    /// up with nobody watching. Nothing is told of a database that has no
    /// snapshots, or belongs to somebody else.
    ///
    /// Cancelled or killed, it is told or not.
    pub async fn tell_failed(&self, name: &str, names: &[String], error: &Error) {
        let own = !matches!(
            error.kind(),
            ErrorKind::HeldByOther | ErrorKind::Usage | ErrorKind::Key | ErrorKind::NoRepository
        );
        let now = OffsetDateTime::now_utc();
        let Some(runs) = self.runs(name).filter(|_| own) else { return };
        let Some(mut failing) = runs.failing().filter(|it| it.is_to_be_told(now)) else { return };
        let telling = async {
            let chosen = self.choose(names, Missing::Refuse).await?;
            let database = chosen.destination.database(name)?;
            if database.snapshots(None).await?.snapshots.is_empty() {
                return Ok(false);
            }
            database.say_failed(failing.at, failing.failures, &failing.error).await?;
            Ok::<bool, Error>(true)
        };
        match tokio::time::timeout(TELLING, telling).await {
            Ok(Ok(true)) => {
                failing.told = Some(now);
                if let Err(error) = runs.keep(&failing) {
                    tracing::info!("{name}: that it failed may be told again: {error}");
                }
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::info!(
                "{name}: that it failed is not seen from elsewhere: failed to {}",
                causes_of(&error)
            ),
            Err(_) => {
                tracing::info!("{name}: that it failed is not seen from elsewhere: no answer")
            }
        }
    }

    fn runs(&self, name: &str) -> Option<Runs> {
        let name = DatabaseName::new(name).ok()?;
        Some(Runs::of(&self.inner.installation.state_dir, &name))
    }
}

/// What follows from destinations that say nothing. The kind of the trouble, where
/// it leaves nothing to go by.
fn judge_silence(seen: &[Seen], out: Vec<(Role, Out)>, facts: &mut Facts) -> Option<ErrorKind> {
    let backs_up = seen.iter().find(|seen| seen.role != Role::Mirror);
    let mut trouble = None;
    for (role, out) in out {
        match (role, backs_up) {
            _ if out.kind == ErrorKind::Damage => {
                facts.damage.get_or_insert(out.why);
                continue;
            }
            // One that has nothing yet is no trouble, unless there is no other.
            (Role::Fallback | Role::Mirror, Some(_)) if out.nothing_yet => continue,
            // Either nothing is left that a backup could go to, or who does not answer
            // is the one who would know of any.
            (_, here) if here.is_none() || facts.last_good.is_none() => {
                trouble.get_or_insert(out.kind);
                facts.unreadable.get_or_insert(out.why);
                continue;
            }
            (Role::Primary, Some(fallback)) => facts.fallback = Some(fallback.name.clone()),
            _ => {}
        }
        facts.silent.push(out.why);
    }
    trouble
}
