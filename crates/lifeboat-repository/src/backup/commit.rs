//! Committing a snapshot by the rules of the record log.

use std::collections::HashSet;
use std::sync::Arc;

use lifeboat_format::digest::Digest;
use lifeboat_format::id::{ListId, SnapshotId};
use lifeboat_format::key;
use lifeboat_format::list::{self, ListRef, PackEntry, PackListRef, packs_digest};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{
    Content, Latest, Record, RecordKind, SnapshotBody, Statistics, body_text,
};
use lifeboat_format::source::CapturedImage;
use lifeboat_remote::Created;

use super::base::Base;
use super::sink::Taken;
use super::upload::{NewList, delta};
use super::{BackupOptions, BackupReport, MAX_TRIES, is_overtaken};
use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::log::{Committed, Draft, Head};
use crate::ownership::Ownership;
use crate::packs::PackList;
use crate::repository::Database;

impl Base {
    /// Remembers what records condemned.
    pub(super) fn condemn(&mut self, news: &[Arc<Record>]) {
        for record in news {
            self.condemned.extend(record.envelope.condemned.iter().cloned());
        }
    }

    /// Whether a record after `head` may reference these packs (rule R3): they
    /// belong to a snapshot that is alive there, or are one's own and no record
    /// has condemned them.
    pub(super) fn may_be_referenced(&self, packs: &[PackEntry], head: &Head) -> bool {
        // Nobody knows what a record condemned that was damaged since.
        if head.burnt.iter().any(|&number| Some(number) > self.planned_at) {
            return false;
        }
        let state = head.state();
        let number = self.parent.as_ref().map(|parent| parent.number());
        let alive = number.is_none_or(|n| state.alive.contains(n) || state.partial == Some(n));
        let listed: HashSet<_> = self.list.packs.iter().map(|entry| entry.pack).collect();
        alive
            && packs
                .iter()
                .filter(|entry| !listed.contains(&entry.pack))
                .all(|entry| !self.condemned.contains(&key::pack(entry)))
    }
}

impl Database {
    /// Puts the list of a record into a new list object where it is too long
    /// to stand in the record itself.
    pub(crate) async fn write_list(
        &self,
        list: &PackList,
        packs: &[PackEntry],
    ) -> Result<(PackListRef, NewList), WriteError> {
        if packs.len() > list::MAX_PACKS {
            return Err(WriteError::TooManyPacks { packs: packs.len() });
        }
        if let Some(reference) = delta(list, packs) {
            return Ok((reference, None));
        }
        let id = ListId::from_bytes(random());
        let object = list::encode(packs, id, &self.home());
        let list_ref = ListRef { id, digest: Digest::of(&object) };
        let relative = key::list(list_ref.id);
        let len = object.len() as u64;
        let key = self.keys.at(&relative);
        if self.remote().create(&key, object.into()).await? == Created::Exists {
            let error = DecodeError::Misplaced { kind: ObjectKind::List, place: "upload" };
            return Err(ReadError::unusable(key)(error).into());
        }
        let reference = PackListRef { list: Some(list_ref), ..PackListRef::default() };
        Ok((reference, Some((relative, len))))
    }

    /// Makes a captured image, whose packs are stored, a snapshot. `None` means
    /// that others committed meanwhile in a way that makes it necessary to
    /// begin anew.
    pub(super) async fn commit_snapshot(
        &self,
        image: CapturedImage,
        taken: Taken,
        mut base: Base,
        head: &mut Head,
        options: &BackupOptions,
    ) -> Result<Option<BackupReport>, WriteError> {
        let (reference, new_list) = self.write_list(&base.list, &taken.packs).await?;
        let list_len = new_list.as_ref().map_or(0, |(_, len)| *len);
        let attached = self.attach(head, options.attach.as_deref()).await?;
        let mut body = describe(&image, options);
        body.page_size = taken.geometry.page_size().bytes();
        body.page_count = taken.geometry.page_count();
        body.image_digest = taken.image_digest;
        body.content = Content::Pages { packs_digest: packs_digest(&taken.packs) };
        body.statistics.pages_changed = pages_changed(&taken);
        body.statistics.bytes_sent = taken.new_bytes + list_len + attached.bytes_sent;
        body.log = taken.place;
        let follower = options.follower();
        for _ in 0..MAX_TRIES {
            let list_is_gone =
                new_list.as_ref().is_some_and(|(key, _)| base.condemned.contains(key));
            let may_be = base.may_be_referenced(&taken.packs, head)
                && attached.may_be_committed(&head.state(), &base.condemned);
            if list_is_gone || !may_be {
                return Ok(None);
            }
            if let Some(follower) = &follower {
                self.end_other_epoch(head, follower).await?;
            }
            let mut state = head.state();
            let number = head.next();
            if let Some(follower) = &follower {
                follower.open(&mut state, number);
            }
            body.generation = self.next_generation(&state)?;
            state.generation = body.generation;
            state.owner = Some(self.local().installation()?.clone());
            state.alive.insert(number);
            state.latest = Some(Latest { number, generation: body.generation });
            state.partial = None;
            let text = body_text(&body);
            let mut draft = Draft::new(RecordKind::Snapshot, state);
            draft.packs = Some(reference.clone());
            draft.attachments = attached.files;
            draft.body = Some(&text);
            match self.commit(head, draft).await? {
                Committed::Done(record) => {
                    let lists = u64::from(new_list.is_some());
                    let objects = taken.new_packs as u64 + lists + attached.objects + 1;
                    let resumed = base.resumed.len() as u64;
                    let report = BackupReport {
                        objects_written: objects,
                        packs_resumed: resumed,
                        attachments: attached.files,
                        bytes_sent: body.statistics.bytes_sent + record.object_len() as u64,
                        ..report(&body, &taken, &base, record.number())
                    };
                    self.keep_table(taken, &record, &base, image.fingerprint.as_ref());
                    base.journal.end();
                    return Ok(Some(report));
                }
                Committed::Lost => {
                    let news = self.advance(head).await?;
                    // Whoever took over meanwhile has won, whatever the options say.
                    self.own(head, &Ownership::Refuse).await?;
                    base.condemn(&news);
                    if is_overtaken(&news, image.taken_at) {
                        return Ok(None);
                    }
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }
}

/// What is true of a captured image, however it is stored. The caller fills in
/// its shape, its digest and its content.
pub(crate) fn describe(image: &CapturedImage, options: &BackupOptions) -> SnapshotBody {
    SnapshotBody {
        snapshot_id: SnapshotId::new(image.taken_at, random()),
        generation: 0,
        taken_at: image.taken_at,
        page_size: image.geometry.page_size().bytes(),
        page_count: image.geometry.page_count(),
        image_digest: Digest::of(&[]),
        content: Content::Pages { packs_digest: packs_digest(&[]) },
        attachments: Vec::new(),
        origin: options.origin.clone(),
        trigger: options.trigger,
        description: options.description.clone(),
        tags: options.tags.clone(),
        sqlite: image.sqlite.clone(),
        statistics: Statistics { bytes_read: image.bytes_read, ..Statistics::default() },
        log: None,
    }
}

fn pages_changed(taken: &Taken) -> u64 {
    pages_of(taken.blocks_changed, taken)
}

fn pages_of(blocks: u64, taken: &Taken) -> u64 {
    let pages = blocks * u64::from(taken.geometry.pages_per_block());
    pages.min(u64::from(taken.geometry.page_count()))
}

fn report(
    body: &SnapshotBody,
    taken: &Taken,
    base: &Base,
    number: lifeboat_format::numbers::RecordNo,
) -> BackupReport {
    let parent = base.parent.as_ref().and_then(|parent| parent.body.as_ref());
    let kept: HashSet<_> = taken.packs.iter().map(|entry| entry.pack).collect();
    let dropped = base.list.packs.iter().filter(|entry| !kept.contains(&entry.pack)).count();
    BackupReport {
        parent: parent.map(|parent| parent.snapshot_id.clone()),
        pages_resent: pages_of(taken.blocks_resent, taken),
        packs_listed: taken.packs.len() as u64,
        packs_dropped: dropped as u64,
        new_base: parent.is_some() && dropped > 0 && dropped == base.list.packs.len(),
        changed: taken.changed.clone(),
        damaged_records: base.passed_over.clone(),
        damaged_objects: base.left_out.clone(),
        vacuumed: parent.is_some_and(|parent| was_vacuumed(parent, body)),
        ..BackupReport::of_new(body, number, taken.geometry)
    }
}

/// A VACUUM counts the schema up, empties the freelist, moves nearly all pages
/// and does not make the file larger.
fn was_vacuumed(before: &SnapshotBody, now: &SnapshotBody) -> bool {
    before.page_size == now.page_size
        && before.sqlite.schema_cookie != now.sqlite.schema_cookie
        && now.sqlite.free_pages == 0
        && now.page_count <= before.page_count
        && now.statistics.pages_changed * 5 > u64::from(now.page_count) * 4
}
