//! A backup to the first destination that works, to the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_config::Role;
use lifeboat_format::id::DatabaseName;
use lifeboat_snapshot::default_name;
use time::OffsetDateTime;

use super::{Destinations, SyncReport, means_elsewhere};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, ErrorKind, causes_of};
use crate::media::Media;
use crate::take::{BackupReport, BackupSettings, open_source};

/// A backup, and where it went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Placed {
    /// What was done.
    pub report: BackupReport,
    /// Where it lies whole.
    pub destination: Destination,
    /// The position of that destination among those that were given.
    pub position: usize,
    /// Why it is not the first.
    pub fallback_reason: Option<String>,
    /// How many requests it took there.
    pub requests: u64,
    /// What else was copied: to mirrors, and home from fallbacks.
    pub copied: SyncReport,
}

impl Destinations {
    /// Backs a database up to the first destination that works, of those with
    /// these names, or of all. One that goes away in the middle is left for the
    /// next, where the snapshot is whole. What fallbacks hold that the primary
    /// missed is then copied to it, and mirrors get what they lack.
    ///
    /// What it came to is remembered in the state directory, for
    /// [`look`](Self::look).
    ///
    /// Cancelled or killed, it leaves at most packs that no record names.
    pub async fn backup(
        &self,
        path: &Path,
        settings: &BackupSettings,
        names: &[String],
        missing: Missing,
    ) -> Result<Placed, Error> {
        let began = OffsetDateTime::now_utc();
        let name = settings.name.clone().unwrap_or_else(|| default_name(path));
        let placed = self.place(path, &name, settings, names, missing).await;
        let was_told = self.remember(&name, placed.as_ref().map(|_| ()));
        if let (Some(true), Ok(placed)) = (was_told, &placed)
            && placed.report.unchanged
            && let Err(error) = placed.destination.beat(began, &placed.report).await
        {
            // The next heartbeat says it.
            tracing::info!(
                "{name}: that it works again is not said: failed to {}",
                causes_of(&error)
            );
        }
        placed
    }

    async fn place(
        &self,
        path: &Path,
        name: &str,
        settings: &BackupSettings,
        names: &[String],
        missing: Missing,
    ) -> Result<Placed, Error> {
        let cache = self.inner.installation.cache_dir.clone();
        let mut settings = settings.clone();
        if settings.media.is_none() {
            settings.media = Media::of(&self.inner.media, name, path, &cache).map(Arc::new);
        }
        let settings = &settings;
        // What is wrong with a source is known before a destination is asked.
        let mut source = Some(open_source(path, &cache, settings).await?);
        let mut choice = self.choice(names);
        let mut causes = Vec::new();
        while let Some(at) = choice.next() {
            let destination = match self.try_open(at, missing, &mut choice).await {
                Ok(destination) => destination,
                Err(cause) if means_elsewhere(&cause.error) => {
                    causes.push(cause);
                    continue;
                }
                Err(cause) => return Err(self.told(*cause.error, &choice)),
            };
            let member = &self.inner.members[at];
            let fallback_reason = choice.fallback_reason();
            match &fallback_reason {
                Some(reason) => tracing::warn!("using {}: {reason}", member.shown()),
                None => tracing::info!(
                    database = name,
                    destination = member.shown(),
                    "chosen: the first that is set, and it answers"
                ),
            }
            if member.settings.role == Role::Fallback {
                // Before anything is there that would have to come home.
                self.note_away(name)?;
            }
            let live = match source.take() {
                Some(live) => live,
                None => open_source(path, &cache, settings).await?,
            };
            let before = destination.repository().remote().requests();
            let mut here = settings.clone();
            here.following = here.following.filter(|following| following.at == at);
            let error = match destination.backup_source(live, path, &here).await {
                Ok(report) => {
                    let position = at;
                    let requests = destination.repository().remote().requests() - before;
                    let copied = self.afterwards(at, name, settings, names).await;
                    return Ok(Placed {
                        report,
                        destination,
                        position,
                        fallback_reason,
                        requests,
                        copied,
                    });
                }
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Storage {
                return Err(error);
            }
            let reason = format!("failed to {}", causes_of(&error));
            member.failed(&reason);
            choice.failed(format!("{} went away in the middle: {reason}", member.shown()));
            causes.push(Cause { place: member.shown().to_owned(), error: Box::new(error) });
        }
        Err(self.nowhere(names, causes))
    }

    /// What a backup to the primary brings with it. The backup is made: what fails
    /// here is told and is no failure of it.
    async fn afterwards(
        &self,
        at: usize,
        name: &str,
        settings: &BackupSettings,
        names: &[String],
    ) -> SyncReport {
        let is_primary = self.inner.members[at].settings.role == Role::Primary;
        let is_away = is_primary && self.away_path(name).is_ok_and(|path| path.exists());
        let has_mirrors = self.settings().any(|one| one.role == Role::Mirror);
        if !is_away && !has_mirrors {
            return SyncReport::default();
        }
        self.sync_one(name, settings.adopt, is_away, (at, names)).await
    }

    /// Where it is noted that a database has snapshots that the primary missed.
    pub(super) fn away_path(&self, name: &str) -> Result<PathBuf, Error> {
        let name = DatabaseName::new(name)
            .map_err(|source| Error::Name { name: name.to_owned(), source })?;
        Ok(self.inner.installation.state_dir.join("away").join(name.key()))
    }

    pub(super) fn note_away(&self, name: &str) -> Result<(), Error> {
        let path = self.away_path(name)?;
        let folder = path.parent().expect("it lies in a folder");
        let noted = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, ""));
        noted.map_err(|source| Error::Path { path: path.clone(), source })
    }
}
