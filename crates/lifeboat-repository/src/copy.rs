//! Copying a snapshot to another destination (rule R7): the packs and the body
//! as they are, under the next free number there.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use lifeboat_format::archive::ArchiveName;
use lifeboat_format::id::{PackId, Suffix};
use lifeboat_format::key;
use lifeboat_format::list::{PackEntry, packs_digest};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::pack::PackIndex;
use lifeboat_format::record::{Content, Latest, RecordKind, SnapshotBody, State, body_text};
use lifeboat_remote::Created;

use crate::attached::Attached;
use crate::backup::{MAX_TRIES, older, plan_of};
use crate::error::{LocalError, ReadError, WriteError};
use crate::local::{Journal, Leftover, random};
use crate::log::{Committed, Draft, Head};
use crate::ownership::Ownership;
use crate::packs::PackList;
use crate::repository::Database;
use crate::snapshots::Snapshot;

impl Database {
    /// Copies a snapshot of `source` to this destination, unless it is there.
    /// Returns its number here.
    ///
    /// Killed or cancelled, it leaves packs that no record names, and notes which:
    /// the next copy to this destination does not send them again.
    pub async fn copy_from(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        ownership: &Ownership,
    ) -> Result<RecordNo, WriteError> {
        self.copy_beside(source, snapshot, ownership, &NumberSet::default()).await
    }

    /// As [`copy_from`](Self::copy_from), also where it is here under one of the
    /// numbers that are to be given up.
    pub(crate) async fn copy_beside(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        ownership: &Ownership,
        gone: &NumberSet,
    ) -> Result<RecordNo, WriteError> {
        self.check_same_repository(source)?;
        if let Some(name) = Database::archive_of(snapshot.body()) {
            return self.copy_archive_from(source, snapshot, name, *ownership, gone).await;
        }
        let mut head = self.head(None).await?;
        let wanted = source.pack_list(snapshot.record()).await?.packs;
        // Only packs put by this call, or by one before it that was interrupted: no
        // other may be referenced on trust.
        let (mut journal, mut sent) = self.resume_copy(&head, &wanted).await?;
        let mut ownership = *ownership;
        for _ in 0..MAX_TRIES {
            self.own(&mut head, &ownership).await?;
            ownership = Ownership::Refuse;
            if let Some(number) = self.copy_here(&head, snapshot, gone).await? {
                return Ok(number);
            }
            let here = self.living_packs(&head).await?;
            let held: HashMap<PackId, PackEntry> =
                here.packs.iter().map(|entry| (entry.pack, *entry)).collect();
            let mut packs = Vec::with_capacity(wanted.len());
            for entry in &wanted {
                let there = held.get(&entry.pack).or(sent.get(&entry.pack)).copied();
                if let Some(there) = there {
                    packs.push(there);
                    continue;
                }
                let own = self.copy_pack(source, entry).await?;
                journal.uploaded(&own)?;
                sent.insert(own.pack, own);
                packs.push(own);
            }
            let attached = self.copy_attached(source, snapshot, &head).await?;
            if self.commit_copy(&here, &packs, &attached, snapshot, &mut head).await? {
                journal.end();
                return Ok(head.newest.expect("a record was just created"));
            }
            for record in self.advance(&mut head).await? {
                for condemned in &record.envelope.condemned {
                    sent.retain(|_, entry| key::pack(entry) != *condemned);
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// Other hash keys: nothing of another repository could be proven here.
    pub(crate) fn check_same_repository(&self, source: &Database) -> Result<(), WriteError> {
        let wanted = self.repository.info().repository;
        let found = source.repository.info().repository;
        if wanted == found {
            return Ok(());
        }
        let place = source.remote().shown().to_owned();
        Err(WriteError::OtherRepository { place, wanted, found: Some(found) })
    }

    /// The journal of a copy, and those of its packs that copies which were
    /// interrupted have put here. A snapshot that is copied is the oldest that is
    /// missing: what they put for another is of no more use.
    async fn resume_copy(
        &self,
        head: &Head,
        wanted: &[PackEntry],
    ) -> Result<(Journal, HashMap<PackId, PackEntry>), WriteError> {
        let folder = self.cache_folder()?.join("copies");
        std::fs::create_dir_all(&folder).map_err(LocalError::at("make the directory", &folder))?;
        let leftovers = Leftover::all_in(&folder);
        let (mut plan, mut condemned) = (plan_of(head), HashSet::new());
        let mut noted = Vec::new();
        for leftover in &leftovers {
            if self.condemned_since(leftover.plan, head, &mut condemned).await? {
                noted.extend_from_slice(&leftover.packs);
                plan = older(plan, leftover.plan);
            }
        }
        noted.retain(|entry| !condemned.contains(&key::pack(entry)));
        let wanted: HashSet<PackId> = wanted.iter().map(|entry| entry.pack).collect();
        noted.retain(|entry| wanted.contains(&entry.pack));
        let mut sent = HashMap::new();
        for entry in noted {
            let key = self.keys.at(&key::pack(&entry));
            let size = self.remote().size(&key).await.map_err(ReadError::from)?;
            if size == Some(u64::from(entry.size)) {
                sent.insert(entry.pack, entry);
            }
        }
        let there: Vec<PackEntry> = sent.values().copied().collect();
        let journal = Journal::begin(&folder, plan, &there)?;
        leftovers.into_iter().for_each(Leftover::discard);
        if !sent.is_empty() {
            tracing::info!(packs = sent.len(), "a copy that was interrupted goes on");
        }
        Ok((journal, sent))
    }

    /// The number of the snapshot here, if it is here, under a number that is not
    /// to be given up.
    async fn copy_here(
        &self,
        head: &Head,
        snapshot: &Snapshot,
        gone: &NumberSet,
    ) -> Result<Option<RecordNo>, ReadError> {
        for number in head.state().alive.iter().rev().filter(|number| !gone.contains(*number)) {
            let record = match self.record_below(head, number).await {
                Ok(record) => record,
                // One that cannot be read may have been it: a second one costs room.
                Err(error) if error.is_lost_record() => continue,
                Err(error) => return Err(error),
            };
            if record.body.as_ref().is_some_and(|body| body.snapshot_id == *snapshot.id()) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    async fn copy_archive_from(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        name: &ArchiveName,
        mut ownership: Ownership,
        gone: &NumberSet,
    ) -> Result<RecordNo, WriteError> {
        let relative = key::archive(name);
        let mut head = self.head(None).await?;
        let mut stored = false;
        for _ in 0..MAX_TRIES {
            self.own(&mut head, &ownership).await?;
            ownership = Ownership::Refuse;
            if let Some(number) = self.copy_here(&head, snapshot, gone).await? {
                return Ok(number);
            }
            if !stored {
                self.fetch_and_put_archive(source, snapshot, &relative).await?;
                stored = true;
            }
            let attached = self.copy_attached(source, snapshot, &head).await?;
            let none = PackList::default();
            if self.commit_copy(&none, &[], &attached, snapshot, &mut head).await? {
                return Ok(head.newest.expect("a record was just created"));
            }
            let news = self.advance(&mut head).await?;
            stored &= !news.iter().any(|record| record.envelope.condemned.contains(&relative));
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// The packs of the snapshot that the next one is compared with here.
    async fn living_packs(&self, head: &Head) -> Result<PackList, ReadError> {
        match self.parent_of(head).await? {
            (Some(parent), _) => match self.pack_list(&parent).await {
                // Nobody knows which packs it names: all are sent.
                Err(error) if error.is_damage() => Ok(PackList::default()),
                list => list,
            },
            (None, _) => Ok(PackList::default()),
        }
    }

    /// Puts the bytes of one pack here, under a suffix of its own.
    async fn copy_pack(
        &self,
        source: &Database,
        entry: &PackEntry,
    ) -> Result<PackEntry, WriteError> {
        let bytes = match source.whole_pack(entry).await {
            Err(error) if error.is_damage() => {
                self.pack_anywhere(entry).await.ok_or(WriteError::from(error))?
            }
            bytes => bytes?,
        };
        let own = PackEntry { suffix: Suffix::from_bytes(random()), ..*entry };
        let key = self.keys.at(&key::pack(&own));
        match self.remote().create(&key, bytes).await? {
            Created::New => Ok(own),
            Created::Exists => {
                let error = DecodeError::Misplaced { kind: ObjectKind::Pack, place: "upload" };
                Err(ReadError::unusable(key)(error).into())
            }
        }
    }

    /// The bytes of a pack from wherever they lie whole, here or at others.
    async fn pack_anywhere(&self, entry: &PackEntry) -> Option<Bytes> {
        for place in std::iter::once(self).chain(self.others()) {
            for there in place.packs_like(entry).await {
                if let Ok(bytes) = place.whole_pack(&there).await {
                    return Some(bytes);
                }
            }
        }
        None
    }

    /// The bytes of a pack, every one of them proven.
    pub(crate) async fn whole_pack(&self, entry: &PackEntry) -> Result<Bytes, ReadError> {
        let bytes = self.pack_range(entry, 0..u64::from(entry.size)).await?;
        let from = self.keys.at(&key::pack(entry));
        let index = PackIndex::decode(&bytes, entry, &self.home())
            .map_err(ReadError::unusable(from.as_str()))?;
        let mut blocks = Vec::new();
        let proven = index.check_header(&bytes).and_then(|()| {
            let range = index.trailer().hashes_range();
            index.decode_hashes(&bytes[range.start as usize..range.end as usize])?;
            index.frames().iter().enumerate().try_for_each(|(number, frame)| {
                let at = frame.offset as usize;
                let stored = &bytes[at..at + frame.stored_len as usize];
                index.decode_frame(number, stored, &mut blocks)
            })
        });
        proven.map_err(ReadError::unusable(from))?;
        Ok(bytes)
    }

    /// Whether a snapshot comes after the latest one here. Two of one generation
    /// are a fork: the one that was taken later counts.
    async fn is_later(
        &self,
        head: &Head,
        state: &State,
        body: &SnapshotBody,
    ) -> Result<bool, ReadError> {
        let Some(latest) = state.latest else { return Ok(true) };
        if latest.generation != body.generation {
            return Ok(latest.generation < body.generation);
        }
        match self.record_below(head, latest.number).await {
            Ok(there) => Ok(there.body.as_ref().is_none_or(|there| there.taken_at < body.taken_at)),
            // It may have been this one; in any case it restores no more.
            Err(error) if error.is_lost_record() => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn commit_copy(
        &self,
        here: &PackList,
        packs: &[PackEntry],
        attached: &Attached,
        snapshot: &Snapshot,
        head: &mut Head,
    ) -> Result<bool, WriteError> {
        let body = snapshot.body();
        let reference = match &body.content {
            Content::Pages { packs_digest: digest } => {
                debug_assert!(*digest == packs_digest(packs));
                Some(self.write_list(here, packs).await?.0)
            }
            Content::File { .. } => None,
        };
        let mut state = head.state();
        let number = head.next();
        state.owner = Some(self.local().installation()?.clone());
        state.alive.insert(number);
        state.generation = state.generation.max(body.generation);
        if self.is_later(head, &state, body).await? {
            state.latest = Some(Latest { number, generation: body.generation });
        }
        let text = snapshot.record().body_text().map_or_else(|| body_text(body), str::to_owned);
        let mut draft = Draft::new(RecordKind::Snapshot, state);
        draft.packs = reference;
        draft.body = Some(&text);
        draft.attachments = attached.files;
        Ok(matches!(self.commit(head, draft).await?, Committed::Done(_)))
    }
}
