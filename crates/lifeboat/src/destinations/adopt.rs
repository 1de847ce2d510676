//! Making an empty place a destination of the repository that the others have.

use std::path::PathBuf;
use std::time::Instant;

use lifeboat_config::Role;
use lifeboat_format::digest::Digest;
use lifeboat_format::id::RepositoryId;
use lifeboat_remote::{Remote, RemoteOptions, directory_identity, without_secrets};
use lifeboat_repository::{Local, Repository};

use super::{DestinationSettings, Destinations, PATIENCE};
use crate::destination::{Destination, Missing};
use crate::error::{Error, causes_of};

impl Destinations {
    /// Opens one, or makes it a destination of the repository that the others
    /// have. Only where none of them is known it begins a repository of its own.
    pub(super) async fn open_or_adopt(
        &self,
        at: usize,
        missing: Missing,
    ) -> Result<Destination, Error> {
        let settings = &self.inner.members[at].settings;
        let vanished = match self.open_as(settings, settings.options.clone(), Missing::Refuse).await
        {
            Err(Error::NoRepository { .. }) => false,
            // Gone: only who asks for a new one gets one, and then the same one again.
            Err(error) if error.is_vanished() && missing == Missing::Create => true,
            opened => return opened,
        };
        let Some(parent) = self.parent_of(at).await? else {
            return self.open_as(settings, settings.options.clone(), missing).await;
        };
        let remote =
            Remote::open_or_create_with(&settings.place, settings.options.clone()).map_err(
                |source| Error::Destination { place: without_secrets(&settings.place), source },
            )?;
        let secret = self.inner.secret.as_ref();
        let repository = parent.repository().replicate(remote, secret).await?;
        if vanished && settings.role == Role::Primary {
            // What it had is brought home with the next backup, if not by a sync.
            for name in parent.databases().await? {
                self.note_away(name.as_str())?;
            }
        }
        Ok(Destination::adopted(repository, settings.is_local()))
    }

    /// Refuses a destination that holds another repository than one before it: the
    /// primary counts first, then the fallbacks, then the mirrors.
    pub(super) fn check_same_repository(
        &self,
        at: usize,
        destination: &Destination,
    ) -> Result<(), Error> {
        let rank = |at: usize| match self.inner.members[at].settings.role {
            Role::Primary => (0, at),
            Role::Fallback => (1, at),
            _ => (2, at),
        };
        let found = destination.repository().info().repository;
        let mut before: Vec<usize> =
            (0..self.inner.members.len()).filter(|other| rank(*other) < rank(at)).collect();
        before.sort_by_key(|other| rank(*other));
        for other in before {
            let wanted = self.known_repository(other);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                return Err(Error::OtherRepository {
                    place: destination.shown().to_owned(),
                    found,
                    other: self.inner.members[other].shown().to_owned(),
                    wanted,
                });
            }
        }
        Ok(())
    }

    /// The repository at a destination, as far as that is known without asking it.
    fn known_repository(&self, at: usize) -> Option<RepositoryId> {
        let member = &self.inner.members[at];
        if let Some(opened) = &member.state().opened {
            return Some(opened.repository().info().repository);
        }
        let settings = &member.settings;
        let identity = match settings.is_local() {
            true => directory_identity(&settings.place),
            false => {
                let remote = Remote::open_with(&settings.place, settings.options.clone());
                remote.ok()?.identity().to_owned()
            }
        };
        Repository::seen_at(&Local::open(self.inner.installation.clone()), &identity).ok()?
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
        // Its own comes last: it was emptied.
        let others = (0..self.inner.members.len()).filter(|other| *other != at);
        for other in others.chain([at]) {
            let seed = self.seed_path(&self.inner.members[other].settings);
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
    pub(super) async fn keep_seed(&self, at: usize, destination: &Destination) {
        let path = self.seed_path(&self.inner.members[at].settings);
        let repository = destination.repository();
        let newest = lifeboat_format::key::format(repository.format_count());
        if path.join(newest).is_file() {
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
        let place = match settings.is_local() {
            true => directory_identity(&settings.place),
            false => settings.place.clone(),
        };
        let name = Digest::of(place.as_bytes()).to_string();
        self.inner.installation.state_dir.join("seeds").join(&name[..16])
    }
}
