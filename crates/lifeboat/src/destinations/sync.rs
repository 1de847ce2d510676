//! Bringing destinations to the same snapshots: what only a fallback holds goes
//! to the primary, and mirrors get what they lack. Packs and bodies are copied as
//! they are; no database is read.

use std::collections::BTreeSet;

use lifeboat_config::Role;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;
use lifeboat_repository::{Database, Ownership};

use super::heal::Healed;
use super::{DestinationSettings, Destinations, Inner, Member};
use crate::destination::{Destination, Missing};
use crate::error::{Cause, Error, causes_of};

/// What was copied, and what could not be.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// The snapshots, the oldest first.
    pub copied: Vec<Copied>,
    /// The positions of the destinations that got some.
    pub filled: Vec<usize>,
    /// The destinations that could not be reached or written, and why.
    pub troubles: Vec<Cause>,
    /// What was damaged or gone on one and put back from another.
    /// By the name of the database.
    pub healed: Vec<(String, Healed)>,
}

/// A snapshot that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The name of its database.
    pub database: String,
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its number where it is now as well.
    pub number: RecordNo,
    /// Where it was.
    pub from: String,
    /// Where it is now as well.
    pub to: String,
}

impl Destinations {
    /// Copies to the primary what only fallbacks hold, and to mirrors what they
    /// lack: of one database, or of all. What was once at a destination and was
    /// forgotten there is not copied again. `adopt` takes databases over that
    /// another installation owns there.
    ///
    /// Killed or cancelled, each snapshot is copied whole or not at all; run
    /// again, it goes on.
    pub async fn sync(&self, name: Option<&str>, adopt: bool) -> Result<SyncReport, Error> {
        self.sync_among(name, &[], adopt).await
    }

    /// As [`sync`](Self::sync), between destinations of these names alone, or
    /// all if there are none.
    pub async fn sync_among(
        &self,
        name: Option<&str>,
        among: &[String],
        adopt: bool,
    ) -> Result<SyncReport, Error> {
        let mut report = SyncReport::default();
        let meant =
            |at: usize| among.is_empty() || among.contains(&self.inner.members[at].settings.name);
        let opened = self.open_all(meant, &mut report).await;
        if opened.is_empty() {
            return Err(Error::Nowhere { causes: report.troubles });
        }
        let names = match name {
            Some(name) => BTreeSet::from([name.to_owned()]),
            None => self.names_of(&opened, &mut report).await,
        };
        for name in names {
            let before = report.troubles.len();
            let healed = self.heal_what_shows(&name, adopt, &opened).await;
            if !healed.reports.is_empty() || !healed.troubles.is_empty() {
                report.healed.push((name.clone(), healed));
            }
            self.sync_between(&name, &opened, adopt, &|_| true, &mut report).await;
            if before == 0 && report.troubles.is_empty() {
                self.note_home(&name);
            }
        }
        Ok(report)
    }

    /// Copies what one of these destinations has of a database to another place,
    /// which need not be among them; an empty one becomes a destination of the
    /// same repository, where that was said or it is a plain directory.
    ///
    /// Killed or cancelled, each snapshot is copied whole or not at all.
    pub async fn copy(
        &self,
        name: &str,
        to: DestinationSettings,
        adopt: bool,
    ) -> Result<SyncReport, Error> {
        let Inner { members, installation, secret, .. } = &*self.inner;
        let known = members.iter().map(|member| member.settings.clone());
        let mut all: Vec<DestinationSettings> =
            known.filter(|known| known.place != to.place).collect();
        let at = all.len();
        all.push(to);
        let all = Self::new(all, installation.clone(), secret.clone());
        let mut report = SyncReport::default();
        let (mut sources, causes) = all.open_for_reading().await?;
        report.troubles = causes;
        sources.retain(|(from, _)| *from != at);
        if sources.is_empty() {
            return Err(all.nowhere(&[], report.troubles));
        }
        report.troubles.retain(|cause| cause.place != all.inner.members[at].shown());
        let target = match all.open(at, Missing::CreateIfLocal, false).await {
            Ok(target) => target,
            Err(super::Trouble::Is(error)) => return Err(error),
            Err(super::Trouble::Silent) => {
                let place = all.inner.members[at].settings.place.clone();
                return Err(Error::Silent { place });
            }
        };
        for (_, source) in &sources {
            copy_missed(name, source, &target, adopt, &mut report.copied).await?;
        }
        Ok(report)
    }

    /// One database, after a backup that went to the destination at `at`. Of the
    /// destinations that are meant, mirrors are asked, and fallbacks if it was away.
    pub(super) async fn sync_one(
        &self,
        name: &str,
        adopt: bool,
        home: bool,
        (at, names): (usize, &[String]),
    ) -> SyncReport {
        let mut report = SyncReport::default();
        let takes_part = |other: usize| {
            let settings = &self.inner.members[other].settings;
            let meant = names.is_empty() || names.contains(&settings.name);
            let asked = settings.role == Role::Mirror || home && settings.role == Role::Fallback;
            other == at || meant && asked
        };
        let opened = self.open_all(takes_part, &mut report).await;
        let from = |other: usize| home || other == at;
        self.sync_between(name, &opened, adopt, &from, &mut report).await;
        if home && report.troubles.is_empty() {
            self.note_home(name);
        }
        report
    }

    /// All that can be opened now, with their positions. An empty mirror becomes
    /// one; an empty fallback stays as it is, because it has nothing.
    async fn open_all(
        &self,
        takes_part: impl Fn(usize) -> bool,
        report: &mut SyncReport,
    ) -> Vec<(usize, Destination)> {
        let mut opened = Vec::new();
        for (at, member) in self.inner.members.iter().enumerate() {
            if !takes_part(at) {
                continue;
            }
            let missing = match member.settings.role {
                Role::Fallback => Missing::Refuse,
                _ => Missing::CreateIfLocal,
            };
            match self.open(at, missing, true).await {
                Ok(destination) => opened.push((at, destination)),
                Err(super::Trouble::Is(Error::NoRepository { .. }))
                    if member.settings.role == Role::Fallback => {}
                Err(trouble) => {
                    let error = match trouble {
                        super::Trouble::Is(error) => error,
                        super::Trouble::Silent => {
                            Error::Silent { place: member.settings.place.clone() }
                        }
                    };
                    report.troubles.push(member.cause(error));
                }
            }
        }
        opened
    }

    async fn names_of(
        &self,
        opened: &[(usize, Destination)],
        report: &mut SyncReport,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (at, destination) in opened {
            match destination.databases().await {
                Ok(found) => names.extend(found.iter().map(ToString::to_string)),
                Err(error) => report.troubles.push(self.inner.members[*at].cause(error)),
            }
        }
        names
    }

    /// Copies between those that are open. `from` says which ones give: a mirror
    /// gives only to the primary, when that lost what it had.
    async fn sync_between(
        &self,
        name: &str,
        opened: &[(usize, Destination)],
        adopt: bool,
        from: &(dyn Fn(usize) -> bool + Sync),
        report: &mut SyncReport,
    ) {
        let role = |at: usize| self.inner.members[at].settings.role;
        // Mirrors last: they get what came home as well.
        for wanted in [Role::Primary, Role::Mirror] {
            for (to, target) in opened.iter().filter(|(to, _)| role(*to) == wanted) {
                let sources = opened.iter().filter(|(other, _)| {
                    let gives = role(*other) != Role::Mirror || wanted == Role::Primary;
                    other != to && gives && from(*other)
                });
                for (_, source) in sources {
                    let before = report.copied.len();
                    let copied = copy_missed(name, source, target, adopt, &mut report.copied).await;
                    if report.copied.len() > before && !report.filled.contains(to) {
                        report.filled.push(*to);
                    }
                    if let Err(error) = copied {
                        report.troubles.push(self.inner.members[*to].cause(error));
                    }
                }
            }
        }
    }

    /// What could be asked has nothing more that the primary missed.
    fn note_home(&self, name: &str) {
        if let Ok(path) = self.away_path(name) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// The destination at a position, where it is open.
    pub fn opened(&self, position: usize) -> Option<Destination> {
        self.inner.members.get(position)?.state().opened.clone()
    }
}

/// Copies what the target never had, the oldest first.
async fn copy_missed(
    name: &str,
    source: &Destination,
    target: &Destination,
    adopt: bool,
    copied: &mut Vec<Copied>,
) -> Result<(), Error> {
    let (from, to): (Database, Database) = (source.database(name)?, target.database(name)?);
    let mut ownership = Ownership::Refuse;
    if adopt || target.is_local() {
        ownership = Ownership::Adopt;
    }
    for snapshot in to.missed(&from).await? {
        let number = to.copy_from(&from, &snapshot, &ownership).await?;
        copied.push(Copied {
            database: name.to_owned(),
            snapshot_id: snapshot.id().clone(),
            number,
            from: source.shown().to_owned(),
            to: target.shown().to_owned(),
        });
    }
    let segments = to.copy_log_from(&from, &ownership).await?;
    if segments > 0 {
        tracing::info!(segments, "{name}: the commit log was copied to {}", target.shown());
    }
    Ok(())
}

impl Member {
    pub(super) fn cause(&self, error: Error) -> Cause {
        tracing::info!("{}: failed to {}", self.shown(), causes_of(&error));
        Cause { place: self.shown().to_owned(), error: Box::new(error) }
    }
}
