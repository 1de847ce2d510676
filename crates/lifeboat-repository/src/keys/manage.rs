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
use crate::error::{KeyError, ReadError, WriteError};
use crate::local::random;
use crate::repository::Repository;

/// Who can open a repository: one secret, and its slots.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlotHolder {
    /// 8 hexadecimal digits.
    pub id: String,
    /// `raw` or `passphrase`.
    pub kind: &'static str,
    /// What a person calls it.
    pub label: String,
    /// When it was added, UTC.
    pub created_at: Option<OffsetDateTime>,
    /// Whether it opens what is written now; if not, only older snapshots.
    pub opens_newest: bool,
    /// Its slots: data key and object key.
    pub slots: Vec<KeySlot>,
}

/// One slot object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySlot {
    /// The data key that it wraps.
    pub data_key: [u8; 16],
    /// Where it lies.
    pub key: String,
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
        Ok(holders(&self.slots().await?, self.keys()?.current().id()))
    }

    async fn slots(&self) -> Result<Vec<Found>, ReadError> {
        let mut found = Vec::new();
        for data_key in self.keys()?.all() {
            for key in slot_keys(self.remote(), *data_key.id()).await? {
                match StoredSlot::read(self.remote(), &key).await {
                    Ok(Some(stored)) => found.push(Found { data_key: *data_key.id(), key, stored }),
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

    /// Lets another secret open the repository, with everything in it. Returns
    /// the id of the new holder.
    ///
    /// Killed, the secret opens some of the data keys; adding it again mends
    /// that.
    pub async fn add_secret(&self, secret: &Secret, label: &str) -> Result<String, WriteError> {
        let holder = hex::encode(&random::<4>());
        let mut added = false;
        for data_key in self.keys()?.all() {
            added |= self.put_slot(&data_key, secret, label, &holder).await?;
        }
        if added { Ok(holder) } else { Err(WriteError::Read(KeyError::AlreadyThere.into())) }
    }

    /// Ends the access of a holder, whose slots are deleted. Who copied a slot
    /// before, and has its secret, can still use the copy.
    pub async fn remove_holder(&self, id: &str) -> Result<SlotHolder, WriteError> {
        let slots = self.slots().await.map_err(WriteError::Read)?;
        let current = *self.keys()?.current().id();
        let all = holders(&slots, &current);
        let mut matches =
            all.iter().filter(|holder| holder.id.starts_with(id) || holder.label == id);
        let (Some(holder), None) = (matches.next(), matches.next()) else {
            return Err(WriteError::Read(KeyError::NoSuchHolder { id: id.to_owned() }.into()));
        };
        let rest: Vec<&Found> = slots.iter().filter(|s| s.stored.holder != holder.id).collect();
        let data_keys: Vec<[u8; 16]> = self.keys()?.all().iter().map(|key| *key.id()).collect();
        if !opens_all(&rest, &data_keys) {
            return Err(WriteError::Read(KeyError::LastHolder.into()));
        }
        let slots: Vec<String> = holder.slots.iter().map(|slot| slot.key.clone()).collect();
        self.remote().delete(&slots).await?;
        Ok(holder.clone())
    }

    /// The holder whose secret this is.
    pub async fn holder_of(&self, secret: &Secret) -> Result<Option<SlotHolder>, ReadError> {
        let repository = *self.info().repository.as_bytes();
        let slots = self.slots().await?;
        let current = *self.keys()?.current().id();
        for holder in holders(&slots, &current) {
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
    /// `only_for` says for whose secret alone it is; then the others read what
    /// was written until now and nothing after.
    ///
    /// Killed before its format object exists, nothing has changed.
    pub async fn begin_data_key(
        &self,
        secret: &Secret,
        only_for: bool,
    ) -> Result<Repository, WriteError> {
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
        info.store = self.info().store.clone();
        let number = self.format_count() + 1;
        match self.remote().create(&key::format(number), info.encode().into()).await? {
            Created::New => {
                let remote = self.remote().clone();
                Ok(Self::open_with(remote, self.local().clone(), Some(secret)).await?)
            }
            Created::Exists => Err(WriteError::Contention { tries: 1 }),
        }
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

/// Puts slots together by their holders, and says what each opens; pure.
fn holders(slots: &[Found], newest: &[u8; 16]) -> Vec<SlotHolder> {
    let mut holders: BTreeMap<&str, SlotHolder> = BTreeMap::new();
    for found in slots {
        let kind = match found.stored.slot.kind {
            SlotKind::Raw => "raw",
            SlotKind::Passphrase { .. } => "passphrase",
            _ => continue,
        };
        let entry = holders.entry(&found.stored.holder).or_insert_with(|| SlotHolder {
            id: found.stored.holder.clone(),
            kind,
            label: found.stored.slot.label.clone(),
            created_at: found.stored.slot.created_at,
            opens_newest: false,
            slots: Vec::new(),
        });
        entry.slots.push(KeySlot { data_key: found.data_key, key: found.key.clone() });
    }
    let mut holders: Vec<SlotHolder> = holders.into_values().collect();
    for holder in &mut holders {
        holder.opens_newest = reach(slots.iter(), &holder.id).contains(newest);
    }
    holders.sort_by_key(|holder| holder.created_at);
    holders
}

/// The data keys that a holder can open: its own, and those that these open.
fn reach<'a>(slots: impl Iterator<Item = &'a Found> + Clone, holder: &str) -> BTreeSet<[u8; 16]> {
    let own = |slot: &&Found| slot.stored.holder == holder && !is_chain(slot);
    let mut reached: BTreeSet<[u8; 16]> =
        slots.clone().filter(own).map(|slot| slot.data_key).collect();
    loop {
        let before = reached.len();
        for slot in slots.clone() {
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

/// Whether one of the holders that are left can open every data key.
fn opens_all(slots: &[&Found], data_keys: &[[u8; 16]]) -> bool {
    let holders: BTreeSet<&str> = slots
        .iter()
        .filter(|slot| !is_chain(slot))
        .map(|slot| slot.stored.holder.as_str())
        .collect();
    holders.iter().any(|holder| {
        let reached = reach(slots.iter().copied(), holder);
        data_keys.iter().all(|id| reached.contains(id))
    })
}
