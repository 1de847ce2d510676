//! What a snapshot is compared with, and what of that it must not build on: what
//! is known to be damaged or missing is sent again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use lifeboat_format::id::PackId;
use lifeboat_format::key;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Content, Record, SnapshotBody};
use lifeboat_format::repair::Repair;

use crate::check::LACKS_BLOCKS;
use crate::error::ReadError;
use crate::local::TableReader;
use crate::log::Head;
use crate::packs::PackList;
use crate::repairs::Repairs;
use crate::repository::Database;

/// What a next snapshot is compared with.
#[derive(Debug, Default)]
pub(crate) struct Parent {
    /// The newest living snapshot of pages, or partial upload, whose record can
    /// be read.
    pub(crate) record: Option<Arc<Record>>,
    /// Its packs, those left out that must not be built on.
    pub(crate) list: PackList,
    /// Objects that are damaged or missing, by their keys relative to the
    /// database.
    pub(crate) left_out: Vec<String>,
    /// Living snapshots that are newer, and whose records cannot be read.
    pub(crate) passed_over: Vec<RecordNo>,
}

impl Database {
    /// Finds what a snapshot after `head` is compared with.
    pub(crate) async fn parent(&self, head: &Head, cache: &Path) -> Result<Parent, ReadError> {
        let (record, passed_over) = self.parent_of(head).await?;
        let mut parent = Parent { passed_over, ..Parent::default() };
        let Some(record) = record else {
            if head.newest.is_none() {
                self.no_doubts_yet(cache);
            }
            return Ok(parent);
        };
        match self.pack_list(&record).await {
            Ok(list) => parent.list = list,
            // Its packs are somewhere, but nobody knows which they are: a new base.
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "the list of packs cannot be used; all is sent again");
                let object = match &error {
                    ReadError::Unusable { key, .. } | ReadError::Missing { key, .. } => {
                        self.relative_to_root(key)
                    }
                    _ => self.record_key(record.number()),
                };
                parent.left_out.push(object);
                return Ok(parent);
            }
            Err(error) => return Err(error),
        }
        self.leave_out(&mut parent, &record, cache).await?;
        parent.record = Some(record);
        Ok(parent)
    }

    /// The record that a next snapshot is compared with: the newest number of a
    /// living snapshot of pages, or of a partial upload. Archives have no packs
    /// to build on, and are passed over; so are records that are damaged, whose
    /// numbers are returned as well.
    pub(crate) async fn parent_of(
        &self,
        head: &Head,
    ) -> Result<(Option<Arc<Record>>, Vec<RecordNo>), ReadError> {
        let state = head.state();
        let partial = state.partial;
        let mut passed_over = Vec::new();
        for number in state.alive.iter().rev() {
            if partial.is_some_and(|partial| partial > number) {
                break;
            }
            let record = match self.record_below(head, number).await {
                Ok(record) => record,
                Err(error) if error.is_lost_record() => {
                    tracing::error!(record = number.0, %error, "damaged record, passed over");
                    passed_over.push(number);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_pages = |body: &SnapshotBody| matches!(body.content, Content::Pages { .. });
            if record.body.as_ref().is_some_and(is_pages) {
                return Ok((Some(record), passed_over));
            }
        }
        match partial {
            Some(partial) => Ok((Some(self.record_below(head, partial).await?), passed_over)),
            None => Ok((None, passed_over)),
        }
    }

    /// Takes those packs out of the list that a check found damaged, and of which
    /// nothing has, or heals, what the snapshot needs.
    async fn leave_out(
        &self,
        parent: &mut Parent,
        record: &Record,
        cache: &Path,
    ) -> Result<(), ReadError> {
        let doubts = self.doubts().await?;
        if doubts.is_empty() && !doubts.mended {
            return Ok(());
        }
        let number = record.number();
        let repairs = if doubts.mended { self.repairs().await? } else { Repairs::default() };
        let mut out: HashSet<PackId> = HashSet::new();
        for entry in &parent.list.packs {
            let unreadable = repairs.unreadable.iter().any(|(pack, ..)| *pack == entry.pack);
            let doubtful = match repairs.of(entry.pack, number) {
                Some(repair) => {
                    doubts.cast(&key::pack(&repair.healed), number)
                        || self.needs_what_is_lost(repair, record, cache)
                }
                None => doubts.cast(&key::pack(entry), number),
            };
            if doubtful || unreadable {
                let object = key::pack(entry);
                tracing::warn!(%object, "is damaged; its pages are sent again");
                parent.left_out.push(object);
                out.insert(entry.pack);
            }
        }
        parent.list.packs.retain(|entry| !out.contains(&entry.pack));
        let own = self.record_key(number);
        // What is lost with packs that are left out is no riddle.
        let explained = |what: &str| what.contains(LACKS_BLOCKS) && !out.is_empty();
        if doubts.of_snapshot(&own, number).is_some_and(|what| !explained(what)) {
            // Its packs are not the image that it names: none of them is sure.
            tracing::warn!(record = number.0, "the snapshot is damaged; all is sent again");
            parent.left_out.push(own);
            parent.list.packs.clear();
        }
        Ok(())
    }

    /// Whether a snapshot has blocks in a pack that could not be healed. Where no
    /// cache knows it, it may have.
    fn needs_what_is_lost(&self, repair: &Repair, record: &Record, cache: &Path) -> bool {
        if repair.lost.is_empty() {
            return false;
        }
        let path = cache.join(format!("{}.table", record.envelope.nonce));
        let digest = record.body.as_ref().map(|body| body.image_digest);
        let table = TableReader::open(&path).filter(|table| table.footer().image_digest == digest);
        let Some(mut table) = table else { return true };
        let lost: HashSet<_> = repair.lost_blocks().collect();
        table.blocks_of(repair.pack).iter().any(|(block, _)| lost.contains(block))
    }
}
