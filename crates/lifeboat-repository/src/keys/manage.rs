//! Adding and removing slots, and beginning a new data key.
//!
//! Nothing that was sealed is touched, so that all of this takes as long for a
//! large repository as for a small one. What is made is made before anything is
//! removed: killed in between, the old secret still opens everything.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_crypto::{DataKey, Secret, Slot, SlotKind, slot_id_of};
use lifeboat_format::hex;
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key;
use lifeboat_remote::Created;
use time::OffsetDateTime;

use super::{StoredSlot, slot_keys};
use crate::backup::MAX_TRIES;
use crate::error::{KeyError, ReadError, WriteError};
use crate::local::random;
use crate::repository::Repository;
use crate::store::claim_format;

/// Who can open a repository: one secret, and its slots.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlotHolder {
    /// 8 hexadecimal digits.
    pub id: String,
    /// `raw` or `passphrase`.
    pub kind: &'static str,
    /// What a person calls it: the label of the slot of its newest data key.
    pub label: String,
    /// When it was added, UTC.
    pub created_at: Option<OffsetDateTime>,
    /// How much it opens.
    pub opens: Opens,
    /// Its slots: data key and object key.
    pub slots: Vec<KeySlot>,
}

/// How much of a repository a holder opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opens {
    /// All of it.
    Everything,
    /// The repository, and what is written now; not all that was written
    /// before.
    NotAllOfThePast,
    /// Only copies of what was written before; the repository no longer.
    OnlyThePast,
}

/// The longest label, in characters.
pub const MAX_LABEL: usize = 200;

/// One slot object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySlot {
    /// The data key that it wraps.
    pub data_key: [u8; 16],
    /// Where it lies.
    pub key: String,
}

/// What adding a secret did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The id of its holder.
    pub holder: String,
    /// Whether a slot was made: it did not open everything before.
    pub missing: bool,
}

/// A slot that was found.
struct Found {
    data_key: [u8; 16],
    key: String,
    stored: StoredSlot,
}

impl Repository {
    /// Who can open the repository, oldest first. Slots that are damaged are
    /// left out, and warned of.
    pub async fn slot_holders(&self) -> Result<Vec<SlotHolder>, ReadError> {
        Ok(holders(&self.slots().await?, self.data_keys()?))
    }

    /// The slots of every data key that was ever named, whether it was opened
    /// here or not.
    async fn slots(&self) -> Result<Vec<Found>, ReadError> {
        let mut found = Vec::new();
        for &data_key in self.data_keys()? {
            for key in slot_keys(self.remote(), data_key).await? {
                match StoredSlot::read(self.remote(), &key).await {
                    Ok(Some(stored)) => found.push(Found { data_key, key, stored }),
                    Ok(None) => {}
                    Err(error @ ReadError::Unusable { .. }) => {
                        tracing::warn!(slot = %key, %error, "slot cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// Lets another secret open the repository, with everything that this one
    /// opens. One that opens a part of it gets the rest, and stays the same
    /// holder. Returns the id of the holder, and whether anything was missing.
    ///
    /// Killed, the secret opens some of the data keys; adding it again mends
    /// that.
    pub async fn add_secret(&self, secret: &Secret, label: &str) -> Result<Added, WriteError> {
        check_label(label)?;
        let known = self.holder_of(secret).await.map_err(WriteError::Read)?;
        if let Some(known) = &known
            && known.opens == Opens::Everything
        {
            return Ok(Added { holder: known.id.clone(), missing: false });
        }
        let has = |data_key: &DataKey| {
            let slots = known.iter().flat_map(|holder| &holder.slots);
            slots.into_iter().any(|slot| slot.data_key == *data_key.id())
        };
        let (holder, label) = match &known {
            Some(known) if label.is_empty() => (known.id.clone(), known.label.as_str()),
            Some(known) => (known.id.clone(), label),
            None => (hex::encode(&random::<4>()), label),
        };
        let mut missing = false;
        for data_key in self.keys()?.all() {
            if !has(&data_key) {
                missing |= self.put_slot(&data_key, secret, label, &holder).await?;
            }
        }
        Ok(Added { holder, missing })
    }

    /// Lets a new secret take the place of the one in use, which then opens the
    /// repository no longer. Returns who was added and who was removed: nobody,
    /// where the secret in use has no slot of its own.
    ///
    /// Refused before anything is written where the two are the same. Killed,
    /// the old or both open everything, and the same call finishes it.
    pub async fn replace_secret(
        &self,
        in_use: &Secret,
        new_one: &Secret,
        label: &str,
    ) -> Result<(String, Option<SlotHolder>), WriteError> {
        let old = self.holder_of(in_use).await.map_err(WriteError::Read)?;
        let known = self.holder_of(new_one).await.map_err(WriteError::Read)?;
        if let (Some(old), Some(known)) = (&old, &known)
            && old.id == known.id
        {
            return Err(KeyError::AlreadyThere.into());
        }
        if self.keys()?.all().len() != self.data_keys()?.len() {
            return Err(KeyError::PartOnly.into());
        }
        let added = self.add_secret(new_one, label).await?;
        let (remote, local) = (self.remote().clone(), self.local().clone());
        let reopened = Self::open_with(remote, local, Some(new_one)).await?;
        let removed = match old {
            Some(old) => Some(reopened.remove_holder(&old.id).await?),
            None => None,
        };
        Ok((added.holder, removed))
    }

    /// Ends the access of a holder, whose slots are deleted. Who copied a slot
    /// before, and has its secret, can still use the copy.
    pub async fn remove_holder(&self, id: &str) -> Result<SlotHolder, WriteError> {
        let slots = self.slots().await.map_err(WriteError::Read)?;
        let all = holders(&slots, self.data_keys()?);
        let matches: Vec<&SlotHolder> =
            all.iter().filter(|holder| holder.id.starts_with(id) || holder.label == id).collect();
        let holder = match matches[..] {
            [holder] => holder,
            [] => return Err(KeyError::NoSuchHolder { id: id.to_owned() }.into()),
            _ => {
                let ids = matches.iter().map(|holder| holder.id.clone()).collect();
                return Err(KeyError::SeveralHolders { id: id.to_owned(), ids }.into());
            }
        };
        let stays = |other: &SlotHolder| other.id != holder.id && other.opens == Opens::Everything;
        if !all.iter().any(stays) {
            return Err(KeyError::LastHolder.into());
        }
        let slots: Vec<String> = holder.slots.iter().map(|slot| slot.key.clone()).collect();
        self.remote().delete(&slots).await?;
        Ok(holder.clone())
    }

    /// The holder whose secret this is.
    pub async fn holder_of(&self, secret: &Secret) -> Result<Option<SlotHolder>, ReadError> {
        let repository = *self.info().repository.as_bytes();
        let slots = self.slots().await?;
        for holder in holders(&slots, self.data_keys()?) {
            for slot in slots.iter().filter(|slot| slot.stored.holder == holder.id) {
                let (stored, secret) = (slot.stored.clone(), secret.clone());
                let data_key = slot.data_key;
                let opens = tokio::task::spawn_blocking(move || {
                    stored.slot.open(&secret, repository, data_key).is_ok()
                });
                if opens.await.unwrap_or(false) {
                    return Ok(Some(holder));
                }
            }
        }
        Ok(None)
    }

    /// Begins a new data key: what is written from now on is sealed with it.
    /// Older objects stay as they are, and readable.
    ///
    /// Every holder of the data key before can open it as well, unless
    /// `only_for` says for whose secret alone it is; then the others cannot open
    /// the repository any more, and decrypt only what was written until now.
    ///
    /// Killed before its format object exists, nothing has changed.
    pub async fn begin_data_key(
        &self,
        secret: &Secret,
        only_for: bool,
    ) -> Result<Repository, WriteError> {
        let mut repository = self.clone();
        for _ in 0..MAX_TRIES {
            if repository.try_data_key(secret, only_for).await? == Created::New {
                return Ok(repository.again(secret).await?);
            }
            // Somebody else began one, who may be dead: where writers agree in rounds,
            // it was this call that put it for them. The new one comes after it.
            repository = repository.again(secret).await?;
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    async fn again(&self, secret: &Secret) -> Result<Repository, ReadError> {
        Self::open_with(self.remote().clone(), self.local().clone(), Some(secret)).await
    }

    async fn try_data_key(&self, secret: &Secret, only_for: bool) -> Result<Created, WriteError> {
        let keys = self.keys()?;
        let next = keys.current().successor();
        if only_for {
            let holder = self.holder_of(secret).await?;
            let (id, label) = match holder {
                Some(holder) => (holder.id, holder.label),
                None => (hex::encode(&random::<4>()), String::new()),
            };
            self.put_slot(&next, secret, &label, &id).await?;
        } else {
            let slot = Slot::wrap_for_holders_of(keys.current(), &next).made_at(self.local().now());
            let stored = StoredSlot { holder: String::new(), slot };
            let key = key::slot(*next.id(), *keys.current().id());
            let _: Created = self.remote().create(&key, stored.encode().into()).await?;
        }
        let mut info =
            RepositoryInfo::sealed(self.info().repository, *next.id(), self.info().created_at);
        info.store = self.finding().cloned();
        Ok(claim_format(self.remote(), self.format_count() + 1, &info).await?)
    }

    /// Puts the slot of a secret for a data key; false if it has one already.
    async fn put_slot(
        &self,
        data_key: &DataKey,
        secret: &Secret,
        label: &str,
        holder: &str,
    ) -> Result<bool, WriteError> {
        make_slot(self.remote(), data_key, secret, label, holder, self.local().now()).await
    }
}

/// A label is a short text of one line.
pub(crate) fn check_label(label: &str) -> Result<(), KeyError> {
    let good = label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control);
    if good { Ok(()) } else { Err(KeyError::Label) }
}

/// Wraps a data key for a secret, and puts the slot.
pub(crate) async fn make_slot(
    remote: &lifeboat_remote::Remote,
    data_key: &DataKey,
    secret: &Secret,
    label: &str,
    holder: &str,
    now: OffsetDateTime,
) -> Result<bool, WriteError> {
    let id = match secret {
        Secret::Raw(raw) => slot_id_of(raw, *data_key.repository(), *data_key.id()),
        Secret::Passphrase(_) => random(),
    };
    let (data_key, secret, label) = (data_key.clone(), secret.clone(), label.to_owned());
    let key = key::slot(*data_key.id(), id);
    let wrap = move || Slot::wrap(&data_key, &secret, &label);
    let slot = match tokio::task::spawn_blocking(wrap).await {
        Ok(slot) => slot.map_err(|source| ReadError::from(KeyError::Unusable { source }))?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let stored = StoredSlot { holder: holder.to_owned(), slot: slot.made_at(now) };
    Ok(remote.create(&key, stored.encode().into()).await? == Created::New)
}

/// Puts slots together by their holders, and says what each opens; pure. The
/// data keys are in the order in which they were begun.
fn holders(slots: &[Found], data_keys: &[[u8; 16]]) -> Vec<SlotHolder> {
    let mut holders: BTreeMap<&str, SlotHolder> = BTreeMap::new();
    for found in slots {
        let slot = &found.stored.slot;
        let kind = match slot.kind {
            SlotKind::Raw => "raw",
            SlotKind::Passphrase { .. } => "passphrase",
            _ => continue,
        };
        let entry = holders.entry(&found.stored.holder).or_insert_with(|| SlotHolder {
            id: found.stored.holder.clone(),
            kind,
            label: slot.label.clone(),
            created_at: slot.created_at,
            opens: Opens::OnlyThePast,
            slots: Vec::new(),
        });
        entry.label.clone_from(&slot.label);
        entry.slots.push(KeySlot { data_key: found.data_key, key: found.key.clone() });
    }
    let mut holders: Vec<SlotHolder> = holders.into_values().collect();
    for holder in &mut holders {
        let reached = reach(slots, &holder.id);
        let newest = data_keys.last().is_some_and(|newest| reached.contains(newest));
        holder.opens = match data_keys.iter().all(|id| reached.contains(id)) {
            true => Opens::Everything,
            false if newest => Opens::NotAllOfThePast,
            false => Opens::OnlyThePast,
        };
    }
    holders.sort_by_key(|holder| holder.created_at);
    holders
}

/// The data keys that a holder can open: its own, and those that these open.
fn reach(slots: &[Found], holder: &str) -> BTreeSet<[u8; 16]> {
    let own = |slot: &&Found| slot.stored.holder == holder && !is_chain(slot);
    let mut reached: BTreeSet<[u8; 16]> =
        slots.iter().filter(own).map(|slot| slot.data_key).collect();
    loop {
        let before = reached.len();
        for slot in slots {
            if let SlotKind::DataKey { id } = slot.stored.slot.kind
                && reached.contains(&id)
            {
                reached.insert(slot.data_key);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

fn is_chain(slot: &Found) -> bool {
    matches!(slot.stored.slot.kind, SlotKind::DataKey { .. })
}
