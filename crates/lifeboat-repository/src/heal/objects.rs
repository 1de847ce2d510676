//! Objects that are the same bytes everywhere: packs, archives, attachments.

use std::collections::BTreeSet;

use bytes::Bytes;
use lifeboat_format::attached::{self, AttachedPart};
use lifeboat_format::digest::{Digest, StreamDigester};
use lifeboat_format::id::Suffix;
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::pack::{MAX_PACK_LEN, rebuild};
use lifeboat_format::record::{Content, SnapshotBody};
use lifeboat_format::repair::{self, Repair};
use lifeboat_remote::{Created, Failure};
use tokio::sync::mpsc;

use super::HealReport;
use crate::check::{Data, MAX_ATTACHMENT_LEN, Survey, words};
use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// Nothing could be done, and why.
type Left = Result<(), String>;

const NOWHERE: &str = "no other destination has it whole";
const NO_REPLACING: &str = "the store lets nothing be replaced";

impl Database {
    /// Puts back data objects that were found damaged or missing.
    pub(crate) async fn heal_objects(
        &self,
        survey: &Survey,
        suspects: BTreeSet<String>,
        report: &mut HealReport,
    ) -> Result<(), WriteError> {
        for object in suspects {
            let Some(datum) = survey.data.get(&object) else { continue };
            let done = match &datum.data {
                Data::Pack(entry) => match self.heal_pack(entry).await? {
                    Ok(()) => Ok(()),
                    Err(why) => {
                        let done = self.heal_healed(entry, survey).await?
                            || self.heal_as_others(entry, survey).await?;
                        if done { Ok(()) } else { Err(why) }
                    }
                },
                Data::Archive { snapshot, .. } => {
                    let record = survey.records.get(snapshot).cloned();
                    match record.and_then(|record| Snapshot::of(record, false)) {
                        Some(snapshot) => self.heal_archive(&snapshot).await?,
                        None => Err("its record cannot be read".to_owned()),
                    }
                }
                // Its snapshots are written again, if another has them.
                Data::Attachment { is_list: true, .. } => {
                    Err("no other destination has its snapshots".to_owned())
                }
                Data::Attachment { size, digest, .. } => {
                    self.heal_attachment(&object, *size, digest).await?
                }
                Data::List(_) => continue,
            };
            match done {
                Ok(()) => report.healed.push(object),
                Err(why) => report.leave(object, why),
            }
        }
        Ok(())
    }

    /// Puts a pack back under its own key: from its own remains, or from elsewhere.
    async fn heal_pack(&self, entry: &PackEntry) -> Result<Left, WriteError> {
        let Some(bytes) = self.pack_again(entry).await? else {
            return Ok(Err(NOWHERE.to_owned()));
        };
        let key = self.keys.at(&key::pack(entry));
        match self.remote().put_own(&key, bytes).await {
            Ok(()) => {}
            Err(error) if error.what == Failure::Denied => return Ok(Err(NO_REPLACING.to_owned())),
            Err(error) => return Err(error.into()),
        }
        // What was stored is read back before it counts.
        self.whole_pack(entry).await?;
        Ok(Ok(()))
    }

    /// A pack that healed another one is damaged: where that one can be had again, it
    /// goes back, and the repair has no use any more. False where it cannot.
    async fn heal_healed(&self, entry: &PackEntry, survey: &Survey) -> Result<bool, WriteError> {
        let mut repairs = survey.repairs.iter();
        let repair = repairs.find(|(_, _, repair)| repair.healed.pack == entry.pack);
        let Some((first, k, _)) = repair else { return Ok(false) };
        for record in survey.records.values() {
            let Ok(list) = self.pack_list(record).await else { continue };
            let Some(named) = list.packs.iter().find(|one| one.pack == first) else { continue };
            if self.heal_pack(named).await?.is_err() {
                return Ok(false);
            }
            let keys: Vec<String> = (1..=k).map(|k| self.keys.at(&repair::key(first, k))).collect();
            return match self.remote().delete(&keys).await {
                Ok(()) => Ok(true),
                Err(error) if error.what == Failure::Denied => Ok(false),
                Err(error) => Err(error.into()),
            };
        }
        Ok(false)
    }

    /// A pack that is damaged at the other destinations as well, and was healed there:
    /// what heals it there heals it here. False where none has all of it.
    async fn heal_as_others(&self, entry: &PackEntry, survey: &Survey) -> Result<bool, WriteError> {
        for other in self.others() {
            let repairs = other.repairs_if_any().await;
            let found = repairs.iter().find(|(pack, ..)| *pack == entry.pack);
            let Some((_, k, there)) = found else { continue };
            let is_whole = there.lost.is_empty() && there.only_for.is_none();
            if !is_whole || survey.repairs.count(entry.pack) >= k {
                continue;
            }
            let bytes = match other.whole_pack(&there.healed).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::info!(%error, "nor is it whole there");
                    continue;
                }
            };
            let healed = PackEntry { suffix: Suffix::from_bytes(random()), ..there.healed };
            let key = self.keys.at(&key::pack(&healed));
            if self.remote().create(&key, bytes).await? == Created::Exists {
                return Err(WriteError::Contention { tries: 1 });
            }
            // What was stored is read back before anything points to it.
            self.whole_pack(&healed).await?;
            let (by, at) = (self.local().installation()?.clone(), self.local().now());
            self.claim_repair(&Repair { healed, by, at, ..there.clone() }, k).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The bytes that a pack had, proven.
    pub(crate) async fn pack_again(&self, entry: &PackEntry) -> Result<Option<Bytes>, ReadError> {
        let key = self.keys.at(&key::pack(entry));
        let there = match self.remote().get(&key, MAX_PACK_LEN).await {
            Ok(there) => there,
            Err(error) if error.what == Failure::TooLarge => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(there) = there {
            let (database, entry) = (self.clone(), *entry);
            let work = tokio::task::spawn_blocking(move || {
                let key = database.repository().hash_key().clone();
                let bytes = Bytes::from(rebuild(&there, &entry, &database.home(), &key)?);
                database.prove_pack(&bytes, &entry).is_ok().then_some(bytes)
            });
            match work.await {
                Ok(Some(bytes)) => return Ok(Some(bytes)),
                Ok(None) => {}
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        for other in self.others() {
            for there in other.packs_like(entry).await {
                match other.whole_pack(&there).await {
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(error) => tracing::info!(%error, "nor is it whole there"),
                }
            }
        }
        Ok(None)
    }

    /// Reads an archive, and whether it is what its record says.
    async fn check_archive(&self, body: &SnapshotBody) -> Result<(), ReadError> {
        let (Some(name), Content::File { size, digest, .. }) =
            (Database::archive_of(body), &body.content)
        else {
            unreachable!("only called for archives");
        };
        let key = self.keys.at(&key::archive(name));
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let digested = async {
            let mut digester = StreamDigester::default();
            while let Some(bytes) = receiver.recv().await {
                digester.update(&bytes);
            }
            digester.finish()
        };
        let (fetched, found) = futures::join!(self.fetch_archive(&key, *size, sender), digested);
        fetched?;
        if found == *digest {
            return Ok(());
        }
        let (kind, what) = (ObjectKind::Archive, "digest of the archive");
        Err(ReadError::unusable(key)(DecodeError::Damaged { kind, what }))
    }

    async fn heal_archive(&self, snapshot: &Snapshot) -> Result<Left, WriteError> {
        let name = Database::archive_of(snapshot.body()).expect("it is an archive");
        let relative = key::archive(name);
        for other in self.others() {
            match other.check_archive(snapshot.body()).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::info!(%error, "nor is it whole there");
                    continue;
                }
            }
            let key = self.keys.at(&relative);
            if self.remote().size(&key).await?.is_some() {
                match self.remote().delete(std::slice::from_ref(&key)).await {
                    Ok(()) => {}
                    Err(error) if error.what == Failure::Denied => {
                        return Ok(Err(NO_REPLACING.to_owned()));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            self.fetch_and_put_archive(other, snapshot, &relative).await?;
            self.check_archive(snapshot.body()).await?;
            return Ok(Ok(()));
        }
        Ok(Err(NOWHERE.to_owned()))
    }

    async fn heal_attachment(
        &self,
        relative: &str,
        size: u64,
        digest: &Digest,
    ) -> Result<Left, WriteError> {
        let key = self.keys.at(relative);
        for other in self.others() {
            let read = other.remote().get(&key, size.min(MAX_ATTACHMENT_LEN)).await;
            let same = read.ok().flatten().filter(|bytes| Digest::of(bytes) == *digest);
            let like = match attached::parse_key(relative) {
                Some((id, suffix)) if same.is_none() => {
                    let part = AttachedPart { id, suffix, size, digest: *digest };
                    other.attached_like(&part).await
                }
                _ => None,
            };
            let Some(bytes) = same.or(like) else { continue };
            return match self.remote().put_own(&key, bytes).await {
                Ok(()) => Ok(Ok(())),
                Err(error) if error.what == Failure::Denied => Ok(Err(NO_REPLACING.to_owned())),
                Err(error) => Err(error.into()),
            };
        }
        Ok(Err(NOWHERE.to_owned()))
    }

    /// Takes away results of checks and repairs that are damaged: they prove nothing,
    /// and nothing is read by them. What is whole and cannot be opened stays.
    pub(super) async fn heal_remarks(
        &self,
        survey: &Survey,
        report: &mut HealReport,
    ) -> Result<(), WriteError> {
        let results = self.proofs(&survey.snapshots()).await?.unreadable;
        let results = results.iter().map(|(key, error)| (self.relative_to_root(key), error));
        let repairs = survey.repairs.unreadable.iter();
        let repairs = repairs.map(|(pack, k, error)| (repair::key(*pack, *k), error));
        for (object, error) in results.chain(repairs) {
            if !error.is_lost_record() {
                report.leave(object, words(error));
                continue;
            }
            match self.remote().delete(&[self.keys.at(&object)]).await {
                Ok(()) => report.healed.push(object),
                Err(error) if error.what == Failure::Denied => report.leave(object, NO_REPLACING),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
