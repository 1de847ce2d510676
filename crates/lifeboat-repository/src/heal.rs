//! Putting back what is damaged or gone here and whole at another destination, or
//! whole enough here.
//!
//! Packs, archives and attachments are the same bytes everywhere, and go back under
//! their own keys. What comes from elsewhere is proven against the records of this
//! destination before it is put, so that putting it over what is damaged cannot lose
//! anything: such a key has only ever had these bytes. Records and lists belong to
//! one destination: [`log`](self::log) says what becomes of those.

mod formats;
mod log;
mod objects;

use std::collections::BTreeSet;

use lifeboat_format::check::Finding;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::numbers::RecordNo;

use crate::check::Survey;
use crate::error::{ReadError, WriteError};
use crate::images::HashFiles;
use crate::ownership::Ownership;
use crate::progress::Listener;
use crate::repository::Database;

/// How often the log is looked at again after something was put back: a list shows
/// only with its record.
const ROUNDS: usize = 4;

/// How much is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HealExtent {
    /// Records, lists, the presence and size of every object, and what checks have
    /// found. Nothing is given up that nobody knows.
    #[default]
    Shown,
    /// That, and every byte of one snapshot.
    Snapshot(SnapshotId),
    /// That, and every byte.
    All,
}

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealReport {
    /// The keys of the objects that are whole again, relative to the folder of the
    /// database, or to the root.
    pub healed: Vec<String>,
    /// Snapshots whose records or lists could not be put back: what they are called,
    /// and the number under which they lie now.
    pub moved: Vec<(SnapshotId, RecordNo)>,
    /// Numbers whose records were given up.
    pub given_up: Vec<RecordNo>,
    /// The keys of those that are still damaged or gone, and why.
    pub left: Vec<(String, String)>,
}

impl HealReport {
    /// Whether nothing was done.
    pub fn is_idle(&self) -> bool {
        self.healed.is_empty() && self.given_up.is_empty()
    }

    fn leave(&mut self, object: impl Into<String>, why: impl Into<String>) {
        let (object, why) = (object.into(), why.into());
        if self.left.iter().all(|(known, _)| *known != object) {
            self.left.push((object, why));
        }
    }

    /// Adds what another healing did.
    pub fn add(&mut self, other: Self) {
        self.healed.extend(other.healed);
        self.moved.extend(other.moved);
        self.given_up.extend(other.given_up);
        other.left.into_iter().for_each(|(object, why)| self.leave(object, why));
    }
}

impl Database {
    /// Puts back what is damaged or gone here, from what is whole of it and from the
    /// [others](Self::with_others).
    ///
    /// Killed or cancelled, some objects are whole again and the others are as they
    /// were; a snapshot that had to be written again may be there twice, once
    /// damaged. Run again, it goes on.
    pub async fn heal(
        &self,
        extent: &HealExtent,
        ownership: &Ownership,
    ) -> Result<HealReport, WriteError> {
        let mut report = HealReport::default();
        let mut survey = self.survey(None).await?;
        for _ in 0..ROUNDS {
            if !self.heal_log(&survey, extent, ownership, &mut report).await? {
                break;
            }
            survey = self.survey(None).await?;
        }
        self.check_presence(&mut survey).await?;
        let suspects = self.suspects(&survey, extent).await?;
        self.heal_objects(&survey, suspects, &mut report).await?;
        self.heal_remarks(&survey, &mut report).await?;
        for finding in survey.findings.list() {
            let folder = finding.object.split('/').next().unwrap_or_default();
            if matches!(folder, "records" | "lists") {
                report.leave(finding.object, finding.what);
            }
        }
        Ok(report)
    }

    /// As [`heal`](Self::heal), for what a check of everything has found.
    pub(crate) async fn heal_found(
        &self,
        mut survey: Survey,
        findings: &[Finding],
    ) -> Result<HealReport, WriteError> {
        let (extent, ownership) = (HealExtent::All, Ownership::Refuse);
        let mut report = HealReport::default();
        for finding in findings {
            survey.findings.add(&finding.object, &finding.what, &finding.snapshots);
        }
        let mut suspects: BTreeSet<String> =
            findings.iter().map(|finding| finding.object.clone()).collect();
        self.heal_remarks(&survey, &mut report).await?;
        for _ in 0..ROUNDS {
            if !self.heal_log(&survey, &extent, &ownership, &mut report).await? {
                break;
            }
            // What a list or record that is back names has not been read.
            survey = self.survey(None).await?;
            suspects.extend(self.suspects(&survey, &extent).await?);
        }
        self.heal_objects(&survey, suspects, &mut report).await?;
        Ok(report)
    }

    /// Whether something shows that is worth a healing: without reading more than a
    /// listing of the snapshots does.
    pub async fn shows_damage(&self) -> Result<bool, ReadError> {
        match self.snapshots(None).await {
            Ok(listing) if listing.newest.is_none() => return Ok(false),
            Ok(listing) if !listing.broken.is_empty() || !listing.burnt.is_empty() => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if error.is_damage() => return Ok(true),
            Err(error) => return Err(error),
        }
        Ok(!self.doubts().await?.is_empty())
    }

    /// The objects that are damaged or gone, as far as somebody looks.
    async fn suspects(
        &self,
        survey: &Survey,
        extent: &HealExtent,
    ) -> Result<BTreeSet<String>, ReadError> {
        let mut suspects: BTreeSet<String> =
            survey.findings.list().into_iter().map(|finding| finding.object).collect();
        let files = HashFiles::new(self)?;
        let doubts = self.doubts().await?;
        for (relative, datum) in &survey.data {
            let read = match extent {
                HealExtent::Shown => false,
                HealExtent::Snapshot(id) => datum.needed_by.iter().any(|number| {
                    let body = survey.records.get(&number).and_then(|one| one.body.as_ref());
                    body.is_some_and(|body| body.snapshot_id == *id)
                }),
                HealExtent::All => true,
            };
            let doubted = datum.needed_by.iter().any(|number| doubts.cast(relative, number));
            if !(read || doubted) || suspects.contains(relative) {
                continue;
            }
            let listener = Listener::default();
            let (_, found) = self.read_object(relative, datum, &files, &listener).await?;
            if found.is_some() {
                suspects.insert(relative.clone());
            }
        }
        Ok(suspects)
    }
}
