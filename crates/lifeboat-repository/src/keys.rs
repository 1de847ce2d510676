//! The keys of a sealed repository: which data keys there are, and what opens
//! them.
//!
//! `format/<k>` names the data key of new objects; every data key that was ever
//! named is opened when the repository is. A data key lies wrapped in slots,
//! one object each. The slot of a raw key has an id that is derived from it, so
//! that it is found without a listing; a newer data key has a slot that an
//! older one opens, so that all who could read before can read on.

mod keyring;
mod manage;
mod slot;

use std::sync::Arc;

use lifeboat_crypto::{CryptoError, DataKey, Secret, slot_id_of};
use lifeboat_format::hex;
use lifeboat_format::id::RepositoryId;
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key;
use lifeboat_format::object::ObjectKind;
use lifeboat_remote::Remote;

use crate::error::{KeyError, ReadError};

pub(crate) use keyring::Keys;
pub(crate) use manage::make_slot;
pub use manage::{KeySlot, SlotHolder};
pub(crate) use slot::{SLOT_LIMIT, StoredSlot};

/// Opens every data key that the format objects name, oldest first. The one of
/// the newest must open; an older one that does not is left out, and objects
/// that it sealed are refused by name.
pub(crate) async fn open(
    remote: &Remote,
    infos: &[RepositoryInfo],
    secret: Option<&Secret>,
) -> Result<Keys, ReadError> {
    let place = || remote.shown().to_owned();
    let Some(secret) = secret else {
        return Err(KeyError::Missing { place: place() }.into());
    };
    let mut opened: Vec<Arc<DataKey>> = Vec::new();
    let mut problem = None;
    let mut newest = None;
    for info in infos {
        let Some(id) = info.data_key() else {
            continue;
        };
        newest = Some(id);
        if opened.iter().any(|key| *key.id() == id) {
            continue;
        }
        match open_one(remote, info.repository, id, secret, opened.last().map(Arc::as_ref)).await? {
            Ok(key) => opened.push(Arc::new(key)),
            Err(error) => problem = Some(error),
        }
    }
    let newest = newest.expect("a sealed repository names a data key");
    match opened.iter().find(|key| *key.id() == newest) {
        Some(current) => Ok(Keys::new(Arc::clone(current), &opened)),
        None => {
            let source = problem.unwrap_or(CryptoError::WrongSecret);
            Err(KeyError::Wrong { place: place(), source }.into())
        }
    }
}

/// Opens one data key: with the secret's own slot, or with an older data key.
async fn open_one(
    remote: &Remote,
    repository: RepositoryId,
    id: [u8; 16],
    secret: &Secret,
    older: Option<&DataKey>,
) -> Result<Result<DataKey, CryptoError>, ReadError> {
    let mut problem = CryptoError::WrongSecret;
    if let Some(older) = older {
        let key = key::slot(id, *older.id());
        if let Some(stored) = StoredSlot::read(remote, &key).await? {
            match stored.slot.open_with_older(older, id) {
                Ok(key) => return Ok(Ok(key)),
                Err(error) => problem = error,
            }
        }
    }
    let keys = match secret {
        Secret::Raw(raw) => vec![key::slot(id, slot_id_of(raw, *repository.as_bytes(), id))],
        Secret::Passphrase(_) => slot_keys(remote, id).await?,
    };
    for key in keys {
        let Some(stored) = StoredSlot::read(remote, &key).await? else {
            continue;
        };
        match unlock(stored, secret, repository, id).await {
            Ok(key) => return Ok(Ok(key)),
            Err(CryptoError::WrongSecret) => {}
            Err(error) => {
                tracing::warn!(slot = %key, %error, "slot cannot be used");
                problem = error;
            }
        }
    }
    Ok(Err(problem))
}

/// Tries a slot. A passphrase takes work and memory, which are gone again when
/// this returns.
async fn unlock(
    stored: StoredSlot,
    secret: &Secret,
    repository: RepositoryId,
    id: [u8; 16],
) -> Result<DataKey, CryptoError> {
    let secret = secret.clone();
    let work = move || stored.slot.open(&secret, *repository.as_bytes(), id);
    match tokio::task::spawn_blocking(work).await {
        Ok(opened) => opened,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The keys of all slots of a data key, by a listing.
pub(crate) async fn slot_keys(remote: &Remote, id: [u8; 16]) -> Result<Vec<String>, ReadError> {
    let listed = remote.list(&key::slots(id)).await?;
    let is_slot =
        |key: &String| key.rsplit('/').next().is_some_and(|name| hex::decode::<16>(name).is_some());
    Ok(listed.into_iter().map(|object| object.key).filter(is_slot).collect())
}

/// What a slot object that is not one is called.
pub(crate) const KIND: ObjectKind = ObjectKind::Key;
