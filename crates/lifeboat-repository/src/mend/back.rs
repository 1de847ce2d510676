//! Packs that need no new ones: they go back under their own keys.

use lifeboat_format::check::Finding;
use lifeboat_format::list::PackEntry;

use super::{MendedObject, MendedPack};
use crate::check::{Data, Survey};
use crate::heal::HealReport;

impl MendedObject {
    /// The lists and archives that were put back.
    pub(super) fn put_back(back: &HealReport) -> Vec<Self> {
        let is_one = |key: &&String| key.starts_with("lists/") || key.starts_with("archives/");
        let one = |key: &String| Self { object: key.clone(), hindrance: None };
        back.healed.iter().filter(is_one).map(one).collect()
    }
}

impl MendedPack {
    /// One whose bytes can all be had.
    pub(super) fn whole(entry: &PackEntry) -> Self {
        let object = lifeboat_format::key::pack(entry);
        Self {
            blocks: u64::from(entry.blocks),
            from_packs: u64::from(entry.blocks),
            from_database: 0,
            healed: Some(object.clone()),
            hindrance: None,
            object,
        }
    }

    /// Whether it has its own bytes again, or would have.
    pub fn is_put_back(&self) -> bool {
        self.healed.as_deref() == Some(&self.object)
    }

    /// Those that were put back, of what had been found.
    pub(super) fn put_back(back: &HealReport, found: &[Finding], survey: &Survey) -> Vec<Self> {
        let is_back = |one: &&Finding| back.healed.contains(&one.object);
        let packs = found.iter().filter(is_back).filter_map(|one| {
            match &survey.data.get(&one.object)?.data {
                Data::Pack(entry) => Some(Self::whole(entry)),
                _ => None,
            }
        });
        packs.collect()
    }
}
