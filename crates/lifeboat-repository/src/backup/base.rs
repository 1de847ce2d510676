//! What a backup builds on: the packs that hold the last image, a table of
//! its block hashes, and packs that an interrupted run has stored.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_format::hex;
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, RecordKind};
use lifeboat_format::source::Fingerprint;

use super::BackupReport;
use super::parent::Parent;
use crate::error::{LocalError, ReadError};
use crate::local::{Journal, Leftover, Plan, Scratch, TableReader, short_name};
use crate::log::{Found, Head};
use crate::packs::PackList;
use crate::progress::Listener;
use crate::repository::Database;

/// Journals of runs that lie further back than this many records are not
/// worth reading the records for.
const OLD_JOURNAL: u64 = 1000;

/// What a backup builds on.
pub(crate) struct Base {
    /// The snapshot or partial upload that it is compared with.
    pub(crate) parent: Option<Arc<Record>>,
    /// The pack list of that record.
    pub(crate) list: PackList,
    /// Packs of interrupted runs, which follow those of the list.
    pub(crate) resumed: Vec<PackEntry>,
    /// What is known of the blocks, if anything.
    pub(crate) table: Option<TableReader>,
    /// The newest record when this was planned.
    pub(crate) planned_at: Option<RecordNo>,
    /// Where packs of this run are noted.
    pub(crate) journal: Journal,
    /// Packs and lists of the parent that are missing or damaged: it does not
    /// restore without being mended. By their keys relative to the database.
    pub(crate) left_out: Vec<String>,
    /// Living snapshots after the parent whose records cannot be read.
    pub(crate) passed_over: Vec<RecordNo>,
    /// Objects condemned since the oldest plan that still counts.
    pub(crate) condemned: HashSet<String>,
    /// The folder for caches of this database on this destination.
    pub(crate) cache: PathBuf,
    /// The folder for temporary files of this run, in that one.
    pub(crate) scratch: Scratch,
}

impl Base {
    /// All packs to build on, oldest first.
    pub(crate) fn packs(&self) -> Vec<PackEntry> {
        let mut packs = self.list.packs.clone();
        packs.extend_from_slice(&self.resumed);
        packs
    }

    /// Whether what is the latest here restores, as far as that is known.
    pub(crate) fn is_sound(&self) -> bool {
        self.left_out.is_empty() && self.passed_over.is_empty()
    }

    /// Whether the image of the parent is a whole snapshot and all there is.
    pub(crate) fn is_snapshot(&self) -> bool {
        let kind = self.parent.as_ref().map(|parent| parent.envelope.kind);
        kind == Some(RecordKind::Snapshot) && self.resumed.is_empty()
    }

    /// The name of the table of a record.
    pub(crate) fn table_path(&self, record: &Record) -> PathBuf {
        self.cache.join(format!("{}.table", record.envelope.nonce))
    }

    /// What to report if the database is still in the state of the parent.
    pub(crate) fn unchanged(&self, now: Option<&Fingerprint>) -> Option<BackupReport> {
        let then = self.table.as_ref()?.footer().fingerprint.as_ref()?;
        if !self.is_snapshot() || !self.is_sound() || *then != hex::encode(&now?.0) {
            return None;
        }
        self.unchanged_report(0)
    }

    /// What to report of a database that has not changed since the parent.
    pub(crate) fn unchanged_report(&self, bytes_read: u64) -> Option<BackupReport> {
        let parent = self.parent.as_ref()?;
        let body = parent.body.as_ref()?;
        let report = BackupReport::of_new(body, parent.number(), body.geometry()?);
        Some(BackupReport {
            unchanged: true,
            parent: Some(body.snapshot_id.clone()),
            pages_changed: 0,
            packs_listed: self.list.packs.len() as u64,
            bytes_read,
            bytes_sent: 0,
            attachments: parent.envelope.attachments,
            ..report
        })
    }
}

impl Database {
    /// The folder for caches of this database on this destination.
    pub(crate) fn cache_folder(&self) -> Result<PathBuf, LocalError> {
        let repository = self.repository.info().repository;
        let destination = short_name(self.remote().identity());
        let cache = self
            .local()
            .cache_dir()?
            .join("databases")
            .join(format!("{repository}-{destination}"))
            .join(self.name.key());
        std::fs::create_dir_all(&cache).map_err(LocalError::at("make the directory", &cache))?;
        Ok(cache)
    }

    /// Finds out what a backup after `head` can build on.
    pub(crate) async fn base(
        &self,
        head: &Head,
        full: bool,
        listener: &Listener,
    ) -> Result<Base, ReadError> {
        let cache = self.cache_folder()?;
        // After a damaged record nobody knows what it condemned: only packs
        // that are sent anew are sure to stay.
        let full = full || !head.burnt.is_empty();
        let parent = if full { Parent::default() } else { self.parent(head, &cache).await? };
        let Parent { record: parent, list, left_out, passed_over } = parent;
        let leftovers = Leftover::all_in(&cache);
        let mut plan = plan_of(head);
        let mut condemned = HashSet::new();
        let mut resumed = Vec::new();
        for leftover in &leftovers {
            let usable = !full && self.condemned_since(leftover.plan, head, &mut condemned).await?;
            if usable {
                resumed.extend_from_slice(&leftover.packs);
                plan = older(plan, leftover.plan);
            }
        }
        let listed: HashSet<_> = list.packs.iter().map(|entry| entry.pack).collect();
        resumed.retain(|entry| {
            !condemned.contains(&key::pack(entry)) && !listed.contains(&entry.pack)
        });
        let mut base = Base {
            table: parent.as_ref().and_then(|parent| self.cached_table(&cache, parent, &list)),
            parent,
            list,
            planned_at: head.newest,
            journal: Journal::begin(&cache, plan, &resumed)?,
            resumed: Vec::new(),
            left_out,
            passed_over,
            condemned,
            scratch: Scratch::new(&cache)?,
            cache,
        };
        leftovers.into_iter().for_each(Leftover::discard);
        self.know(&mut base, resumed, listener).await?;
        Ok(base)
    }

    /// Reads every record since a plan for what it condemned; false if the plan
    /// does not belong to this log.
    pub(crate) async fn condemned_since(
        &self,
        plan: Plan,
        head: &Head,
        condemned: &mut HashSet<String>,
    ) -> Result<bool, ReadError> {
        let newest = head.newest.map_or(0, |number| number.0);
        let from = match plan.newest {
            None => 0,
            Some((number, nonce)) => {
                if number.0 > newest || newest - number.0 > OLD_JOURNAL {
                    return Ok(false);
                }
                match self.find_record(number).await? {
                    Found::Good(record) if record.envelope.nonce == nonce => number.0,
                    _ => return Ok(false),
                }
            }
        };
        if newest - from > OLD_JOURNAL {
            return Ok(false);
        }
        for number in from + 1..=newest {
            match self.find_record(RecordNo(number)).await? {
                Found::Good(record) => {
                    condemned.extend(record.envelope.condemned.iter().cloned());
                }
                // Nobody knows what it condemned.
                Found::Damaged(_) | Found::Absent => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The cached table of a record, if it is of exactly this record.
    fn cached_table(
        &self,
        cache: &std::path::Path,
        parent: &Record,
        list: &PackList,
    ) -> Option<TableReader> {
        let nonce = parent.envelope.nonce;
        let mut table = TableReader::open(&cache.join(format!("{nonce}.table")))?;
        let body = parent.body.as_ref()?;
        let footer = table.footer();
        if footer.nonce != Some(nonce) || footer.image_digest != Some(body.image_digest) {
            return None;
        }
        table.renumber(list.packs.iter().map(|entry| entry.pack));
        Some(table)
    }
}

pub(crate) fn plan_of(head: &Head) -> Plan {
    let newest = head.newest.zip(head.record.as_ref());
    Plan { newest: newest.map(|(_, record)| (record.number(), record.envelope.nonce)) }
}

/// The plan that was made first: from it on, records are read for what they
/// condemned.
pub(crate) fn older(a: Plan, b: Plan) -> Plan {
    let number = |plan: &Plan| plan.newest.map(|(number, _)| number);
    if number(&a) <= number(&b) { a } else { b }
}
