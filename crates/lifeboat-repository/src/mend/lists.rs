//! Lists of packs that are damaged or missing, made anew.
//!
//! A list is what the snapshot before it named, less what was given up, and the
//! packs that were new. Which ones those are is tried out; the snapshot's body
//! has the digest of the ids in order, and the records that of the whole object,
//! so that what comes out is the list, byte for byte, or nothing. In a sealed
//! repository no byte of an object can be made anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lifeboat_format::check::Finding;
use lifeboat_format::digest::Digest;
use lifeboat_format::id::{PackId, Suffix};
use lifeboat_format::list::{self, ListRef, PackEntry, PackListRef};
use lifeboat_format::pack::PackIndex;
use lifeboat_format::record::{Content, Record};
use lifeboat_remote::Failure;

use super::MendedObject;
use crate::check::{Data, Survey};
use crate::collect::Object;
use crate::error::{ReadError, WriteError};
use crate::repository::Database;

/// So many packs that no other list names are tried, up to [`NEW`] at a time.
const UNKNOWN: usize = 6;
const NEW: usize = 3;
/// So many bytes are hashed at most to find one list: some seconds.
const MOST_WORK: u64 = 4 << 30;

impl Database {
    /// Makes damaged and missing lists anew, as far as that is possible; only says
    /// so without `apply`.
    ///
    /// A damaged one is taken away before the same list is put in its place: killed
    /// between the two, it is missing, and is made anew by the next repair.
    pub(super) async fn mend_lists(
        &self,
        survey: &Survey,
        findings: &[Finding],
        apply: bool,
    ) -> Result<Vec<MendedObject>, WriteError> {
        let mut mended = Vec::new();
        for Finding { object, .. } in findings {
            let datum = survey.data.get(object).map(|datum| &datum.data);
            let Some(Data::List(reference)) = datum else { continue };
            let found = self.list_anew(reference, survey).await?;
            let hindrance = match found {
                Err(hindrance) => Some(hindrance),
                Ok(_) if !apply => None,
                Ok(bytes) => self.put_anew(object, bytes).await?.err(),
            };
            mended.push(MendedObject { object: object.clone(), hindrance });
        }
        Ok(mended)
    }

    /// The bytes of a list, proven, or why they cannot be had.
    pub(crate) async fn list_anew(
        &self,
        wanted: &ListRef,
        survey: &Survey,
    ) -> Result<Result<Vec<u8>, &'static str>, ReadError> {
        if self.keyring().is_some() {
            return Ok(Err("an encrypted list cannot be made anew"));
        }
        let reference = |record: &Record| record.envelope.packs.clone().unwrap_or_default();
        let uses = |record: &Record| reference(record).list.is_some_and(|l| l.id == wanted.id);
        let first = survey.records.values().find(|record| uses(record));
        // What the snapshots around it name.
        let (mut before, mut after) = (Vec::new(), None);
        let mut known: HashMap<PackId, PackEntry> = HashMap::new();
        for record in survey.records.values() {
            known.extend(reference(record).added.iter().map(|entry| (entry.pack, *entry)));
            let is_pages = record.envelope.packs.is_some();
            if uses(record) || !is_pages {
                continue;
            }
            let Ok(list) = self.pack_list(record).await else { continue };
            known.extend(list.packs.iter().map(|entry| (entry.pack, *entry)));
            if first.is_some_and(|first| record.number() < first.number()) {
                before = list.packs.iter().map(|entry| entry.pack).collect();
            } else if after.is_none() {
                after = Some(list.packs.iter().map(|entry| entry.pack).collect::<Vec<_>>());
            }
        }
        let later: Vec<PackListRef> =
            survey.records.values().filter(|record| uses(record)).map(|r| reference(r)).collect();
        let strangers = self.packs_nobody_names(&known).await?;
        let users: Vec<&Record> =
            survey.records.values().map(|one| &**one).filter(|one| uses(one)).collect();
        if let Some(ids) = self.ids_elsewhere(&users).await {
            let rows = self.rows_anew(ids, &known, &strangers).await?;
            let object = rows.map(|rows| list::encode(&rows, wanted.id, &self.home()));
            if let Some(object) = object.filter(|object| Digest::of(object) == wanted.digest) {
                return Ok(Ok(object));
            }
        }
        let Some(first) = first.filter(|record| reference(record).delta_len() == 0) else {
            return Ok(Err("the snapshot that it was made for is gone"));
        };
        let Some(Content::Pages { packs_digest }) = first.body.as_ref().map(|body| &body.content)
        else {
            return Ok(Err("no snapshot says which packs it names"));
        };
        let unknown = unknown(&before, after.as_deref(), &later, &strangers);
        let digest = *packs_digest;
        let search = tokio::task::spawn_blocking(move || search(&before, &unknown, &digest));
        let found = match search.await {
            Ok(found) => found,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let Some(ids) = found else {
            return Ok(Err("it is not known which packs it named"));
        };
        let Some(rows) = self.rows_anew(ids, &known, &strangers).await? else {
            return Ok(Err("a pack that it named cannot be read"));
        };
        let object = list::encode(&rows, wanted.id, &self.home());
        if Digest::of(&object) != wanted.digest {
            return Ok(Err("what was found is another list"));
        }
        Ok(Ok(object))
    }

    /// What a list says of packs, from other lists and from the packs themselves;
    /// none where one cannot be read.
    async fn rows_anew(
        &self,
        ids: Vec<PackId>,
        known: &HashMap<PackId, PackEntry>,
        strangers: &BTreeMap<PackId, (Suffix, u64)>,
    ) -> Result<Option<Vec<PackEntry>>, ReadError> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            match known.get(&id) {
                Some(entry) => rows.push(*entry),
                None => match self.entry_anew(id, strangers).await? {
                    Some(entry) => rows.push(entry),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(rows))
    }

    /// The ids of a list that some snapshots here begin with, from what another
    /// destination has of one of these.
    async fn ids_elsewhere(&self, users: &[&Record]) -> Option<Vec<PackId>> {
        for other in self.others() {
            let Ok(listing) = other.snapshots(None).await else { continue };
            for user in users {
                let reference = user.envelope.packs.as_ref()?;
                // What was taken out of the list is in none of them.
                let body = user.body.as_ref().filter(|_| reference.dropped.is_empty());
                let twin = body.and_then(|body| {
                    let mut all = listing.snapshots.iter();
                    all.find(|one| *one.id() == body.snapshot_id)
                });
                let Some(twin) = twin else { continue };
                let Ok(list) = other.pack_list(twin.record()).await else { continue };
                let mut ids: Vec<PackId> = list.packs.iter().map(|entry| entry.pack).collect();
                ids.truncate(ids.len().saturating_sub(reference.added.len()));
                return Some(ids);
            }
        }
        None
    }

    /// The packs in the store that no list names, with their suffixes and sizes.
    async fn packs_nobody_names(
        &self,
        known: &HashMap<PackId, PackEntry>,
    ) -> Result<BTreeMap<PackId, (Suffix, u64)>, ReadError> {
        let mut strangers = BTreeMap::new();
        for listed in self.listed_objects().await? {
            if let Object::Pack(pack, suffix) = listed.object
                && !known.contains_key(&pack)
            {
                strangers.insert(pack, (suffix, listed.size));
            }
        }
        Ok(strangers)
    }

    /// What a list says of a pack, from the pack itself.
    async fn entry_anew(
        &self,
        pack: PackId,
        strangers: &BTreeMap<PackId, (Suffix, u64)>,
    ) -> Result<Option<PackEntry>, ReadError> {
        let Some((suffix, size)) = strangers.get(&pack) else { return Ok(None) };
        let Ok(size) = u32::try_from(*size) else { return Ok(None) };
        let key = self.keys.at(&Object::Pack(pack, *suffix).key());
        let Some(bytes) = self.remote().get(&key, u64::from(size)).await? else { return Ok(None) };
        Ok(PackIndex::entry_of(&bytes, size, (pack, *suffix), &self.home()).ok())
    }

    /// Puts an object whose bytes are proven in the place of one that is damaged
    /// or missing.
    pub(crate) async fn put_anew(
        &self,
        object: &str,
        bytes: Vec<u8>,
    ) -> Result<Result<(), &'static str>, WriteError> {
        let key = self.keys.at(object);
        if self.remote().size(&key).await?.is_some() {
            match self.remote().delete(std::slice::from_ref(&key)).await {
                Ok(()) => {}
                Err(error) if error.what == Failure::Denied => {
                    return Ok(Err("the store lets nothing be replaced"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Whoever was faster put the same bytes there.
        let _ = self.remote().create(&key, bytes.into()).await?;
        Ok(Ok(()))
    }
}

/// The packs that may have been new in a list: those that others name after it
/// and not before, or nobody does.
fn unknown(
    before: &[PackId],
    after: Option<&[PackId]>,
    later: &[PackListRef],
    strangers: &BTreeMap<PackId, (Suffix, u64)>,
) -> Vec<PackId> {
    let old: BTreeSet<&PackId> = before.iter().collect();
    let added: BTreeSet<PackId> =
        later.iter().flat_map(|list| list.added.iter().map(|entry| entry.pack)).collect();
    let dropped = later.iter().flat_map(|list| &list.dropped);
    let mut unknown: Vec<PackId> = Vec::new();
    for pack in dropped.chain(after.into_iter().flatten()).chain(strangers.keys()) {
        if !old.contains(pack) && !added.contains(pack) && !unknown.contains(pack) {
            unknown.push(*pack);
        }
    }
    unknown.truncate(UNKNOWN);
    unknown
}

/// The list of this digest: what was there before, less one run of packs that was
/// given up, and a few new ones; pure.
fn search(before: &[PackId], unknown: &[PackId], wanted: &Digest) -> Option<Vec<PackId>> {
    let new = arrangements(unknown);
    let n = before.len();
    let each = 16 * (n + NEW) as u64;
    let all_runs = (n * n / 2 + 1) as u64;
    // Where all would take too long: nothing given up, or the newest.
    let thorough = all_runs * new.len() as u64 * each <= MOST_WORK;
    let starts: Vec<usize> = (0..n).rev().collect();
    let runs = std::iter::once((n, n)).chain(starts.into_iter().flat_map(move |start| {
        let first_end = if thorough { start + 1 } else { n };
        (first_end..=n).map(move |end| (start, end))
    }));
    let mut ids: Vec<PackId> = Vec::with_capacity(n + NEW);
    for (start, end) in runs {
        for news in &new {
            ids.clear();
            ids.extend_from_slice(&before[..start]);
            ids.extend_from_slice(&before[end..]);
            ids.extend_from_slice(news);
            if Digest::of_parts(ids.iter().map(|id| &id.as_bytes()[..])) == *wanted {
                return Some(ids);
            }
        }
    }
    None
}

/// Up to [`NEW`] of some packs, in every order; fewer first.
fn arrangements(of: &[PackId]) -> Vec<Vec<PackId>> {
    let mut all: Vec<Vec<PackId>> = vec![Vec::new()];
    let mut last = 0;
    for _ in 0..NEW {
        let end = all.len();
        for at in last..end {
            for pack in
                of.iter().filter(|pack| !all[at].contains(pack)).copied().collect::<Vec<_>>()
            {
                let mut longer = all[at].clone();
                longer.push(pack);
                all.push(longer);
            }
        }
        last = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use lifeboat_format::list::packs_digest;

    use super::*;

    #[test]
    fn lists_are_found_by_their_digest() {
        let id = |n: u8| PackId::from_bytes([n; 16]);
        let before: Vec<PackId> = (0..40).map(id).collect();
        let unknown: Vec<PackId> = (50..54).map(id).collect();
        let check = |wanted: &[u8]| {
            let wanted: Vec<PackId> = wanted.iter().copied().map(id).collect();
            let digest = Digest::of_parts(wanted.iter().map(|id| &id.as_bytes()[..]));
            assert_eq!(search(&before, &unknown, &digest), Some(wanted));
        };
        let all: Vec<u8> = (0..40).collect();
        check(&all);
        check(&[&all[..], &[51]].concat());
        check(&[&all[..31], &[53, 50, 52]].concat());
        check(&[&all[..12], &all[17..], &[52]].concat());
        check(&[50]);
        let other = Digest::of(b"no list of these");
        assert_eq!(search(&before, &unknown, &other), None);
        assert_eq!(arrangements(&unknown).len(), 1 + 4 + 12 + 24);
        let entry = |n: u8| PackEntry {
            pack: id(n),
            suffix: Suffix::from_bytes([0; 4]),
            size: 1,
            blocks: 1,
            index_digest: other,
        };
        let both = [entry(1), entry(2)];
        let digest = Digest::of_parts(both.iter().map(|one| &one.pack.as_bytes()[..]));
        assert_eq!(packs_digest(&both), digest, "as snapshots say it");
    }
}
