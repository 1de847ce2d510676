//! The objects of a repository as a whole: what it is, and who opens it.

use lifeboat_format::check::Finding;
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key;
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::object::ObjectKind;

use super::words;
use crate::error::ReadError;
use crate::keys::{SLOT_LIMIT, StoredSlot, slot_keys};
use crate::repository::Repository;

impl Repository {
    /// Reads every format object and every slot. No snapshot is hit by what is
    /// wrong with one of them, but a holder may be shut out.
    pub async fn check_keys(&self) -> Result<Vec<Finding>, ReadError> {
        let mut findings = Vec::new();
        let mut find = |object: String, what: String| {
            findings.push(Finding { object, what, snapshots: NumberSet::default() });
        };
        for k in 1..=self.format_count() {
            let key = key::format(k);
            match self.remote().get(&key, SLOT_LIMIT.max(1024 * 1024)).await? {
                None => find(key, format!("{} is missing", ObjectKind::Format)),
                Some(object) => match RepositoryInfo::decode(&object) {
                    Ok(info) if info.repository == self.info().repository => {}
                    Ok(_) => find(key, "format object belongs to another repository".into()),
                    Err(error) => find(key, error.to_string()),
                },
            }
        }
        let data_keys = if self.is_sealed() { self.keys()?.all() } else { Vec::new() };
        for data_key in data_keys {
            for key in slot_keys(self.remote(), *data_key.id()).await? {
                match StoredSlot::read(self.remote(), &key).await {
                    Ok(_) => {}
                    Err(error @ ReadError::Unusable { .. }) => find(key, words(&error)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(findings)
    }
}
