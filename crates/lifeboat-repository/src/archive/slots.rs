//! The slots in an archive: copies of those in the repository, so that the file
//! opens on its own.

use lifeboat_crypto::{DataKey, Secret, Slot};
use lifeboat_format::archive::ArchiveSlot;
use lifeboat_format::hex;

use crate::error::ReadError;
use crate::keys::{StoredSlot, slot_keys};
use crate::repository::Database;

/// All slots that lead to a data key of the repository, oldest data key first.
/// One that is damaged is left out: it opens nothing, and bars nobody.
pub(super) async fn collect(database: &Database) -> Result<Vec<ArchiveSlot>, ReadError> {
    let mut slots = Vec::new();
    for key in database.repository.keys()?.all() {
        for object in slot_keys(database.remote(), *key.id()).await? {
            match StoredSlot::read(database.remote(), &object).await {
                Ok(Some(stored)) => {
                    let slot = serde_json::to_value(&stored.slot).expect("texts always serialise");
                    slots.push(ArchiveSlot { data_key: hex::encode(key.id()), slot });
                }
                Ok(None) => {}
                Err(error @ ReadError::Unusable { .. }) => {
                    tracing::warn!(slot = %object, %error, "slot cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(slots)
}

/// The data key that is wanted, opened with a secret: directly, or through
/// older data keys.
pub(super) fn open(
    slots: &[([u8; 16], Slot)],
    secret: &Secret,
    repository: [u8; 16],
    wanted: [u8; 16],
) -> Option<DataKey> {
    let mut opened: Vec<DataKey> = Vec::new();
    for (id, slot) in slots {
        let has = |opened: &[DataKey]| opened.iter().any(|key| key.id() == id);
        if has(&opened) {
            continue;
        }
        let direct = slot.open(secret, repository, *id).ok();
        let chained = || opened.iter().find_map(|older| slot.open_with_older(older, *id).ok());
        if let Some(key) = direct.or_else(chained) {
            opened.push(key);
        }
    }
    opened.into_iter().find(|key| *key.id() == wanted)
}
