//! What the records that stay need, and what a listing shows: compact, because
//! there may be very many of them.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use lifeboat_format::archive::ArchiveName;
use lifeboat_format::attached;
use lifeboat_format::hex;
use lifeboat_format::id::{AttachedId, ListId, PackId, Suffix};
use lifeboat_format::key;
use lifeboat_format::list::{ListRef, PackEntry, PackListRef};
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::record::Record;
use lifeboat_format::repair::{self, MAX_REPAIRS, healed_id};
use lifeboat_remote as remote;

use super::READERS;
use crate::error::ReadError;
use crate::log::Head;
use crate::repository::Database;

/// An object that may be collected, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    Pack(PackId, Suffix),
    List(ListId),
    Archive(ArchiveName),
    Repair(PackId, u32),
    /// A part of a file, or what names such.
    Attached(AttachedId, Suffix),
    /// What a record names by itself.
    Attachment([u8; 16]),
}

/// An object in a listing.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) object: Object,
    pub(crate) size: u64,
    pub(super) modified: i64,
}

impl Object {
    fn parse(relative: &str) -> Option<Self> {
        let (folder, name) = relative.split_once('/')?;
        match folder {
            "packs" => {
                let (pack, suffix) = name.split_once('-')?;
                Some(Self::Pack(pack.parse().ok()?, suffix.parse().ok()?))
            }
            "lists" => Some(Self::List(name.parse().ok()?)),
            "archives" => Some(Self::Archive(name.parse().ok()?)),
            "attachments" => match attached::parse_key(relative) {
                Some((id, suffix)) => Some(Self::Attached(id, suffix)),
                None => hex::decode(name).map(Self::Attachment),
            },
            "repairs" => repair::parse_key(relative).map(|(pack, k)| Self::Repair(pack, k)),
            _ => None,
        }
    }

    fn pack(&self) -> Option<PackId> {
        match self {
            Self::Pack(pack, _) => Some(*pack),
            Self::List(_)
            | Self::Archive(_)
            | Self::Repair(..)
            | Self::Attached(..)
            | Self::Attachment(_) => None,
        }
    }

    /// Its key, relative to the folder of the database.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Pack(pack, suffix) => format!("packs/{pack}-{suffix}"),
            Self::List(list) => key::list(*list),
            Self::Archive(name) => key::archive(name),
            Self::Repair(pack, k) => repair::key(*pack, *k),
            Self::Attached(id, suffix) => attached::key(*id, *suffix),
            Self::Attachment(id) => format!("attachments/{}", hex::encode(id)),
        }
    }
}

impl Listed {
    pub(super) fn parse(relative: &str, listed: &remote::Listed) -> Option<Self> {
        let (size, modified) = (listed.size, listed.modified);
        Some(Self { object: Object::parse(relative)?, size, modified })
    }
}

/// The objects that some records need.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    packs: HashSet<(PackId, Suffix)>,
    ids: HashSet<PackId>,
    lists: HashSet<ListId>,
    archives: HashSet<ArchiveName>,
    attached: HashSet<(AttachedId, Suffix)>,
    attachments: HashSet<[u8; 16]>,
}

impl Needed {
    /// Reads every one of these records; if one cannot be read, nothing is known.
    /// Each list object is read once, and one at a time.
    pub(crate) async fn of(
        database: &Database,
        head: &Head,
        numbers: &NumberSet,
    ) -> Result<Self, ReadError> {
        let mut needed = Self::default();
        let mut by_list: BTreeMap<ListId, (ListRef, Vec<PackListRef>)> = BTreeMap::new();
        let mut records = std::pin::pin!(
            futures::stream::iter(numbers.iter())
                .map(|number| database.record_below(head, number))
                .buffered(READERS)
        );
        while let Some(record) = records.try_next().await? {
            needed.archives.extend(archive_of(&record));
            let attached = &mut needed.attached;
            database.needed_by_attached(&record, |name| attached.insert(name)).await?;
            let named = record.body.iter().flat_map(|body| &body.attachments);
            needed.attachments.extend(named.filter_map(|one| hex::decode(&one.id)));
            let reference = record.envelope.packs.clone().unwrap_or_default();
            match reference.list {
                None => needed.add(&reference.resolve(Vec::new())),
                Some(list) => {
                    needed.lists.insert(list.id);
                    let others = &mut by_list.entry(list.id).or_insert((list, Vec::new())).1;
                    others.push(reference);
                }
            }
        }
        for (list, references) in by_list.into_values() {
            let base = database.list_object(&list).await?;
            for reference in references {
                needed.add(&reference.resolve(base.clone()));
            }
        }
        Ok(needed)
    }

    fn add(&mut self, packs: &[PackEntry]) {
        for entry in packs {
            self.packs.insert((entry.pack, entry.suffix));
            self.ids.insert(entry.pack);
        }
    }

    /// The listed objects that no record needs. What heals a pack that is needed
    /// is known by its id alone: no listing of repairs could be trusted to be
    /// whole.
    pub(super) fn not_among<'a>(&self, listed: &'a [Listed]) -> Vec<&'a Listed> {
        let mut rest: Vec<&Listed> = listed.iter().filter(|one| !self.has(&one.object)).collect();
        let strangers: HashSet<PackId> = rest.iter().filter_map(|one| one.object.pack()).collect();
        let healing: HashSet<PackId> = (1..=MAX_REPAIRS)
            .filter(|_| !strangers.is_empty())
            .flat_map(|k| self.ids.iter().map(move |pack| healed_id(*pack, k)))
            .filter(|healed| strangers.contains(healed))
            .collect();
        rest.retain(|one| one.object.pack().is_none_or(|pack| !healing.contains(&pack)));
        rest
    }

    fn has(&self, object: &Object) -> bool {
        match object {
            Object::Pack(pack, suffix) => self.packs.contains(&(*pack, *suffix)),
            Object::List(list) => self.lists.contains(list),
            Object::Archive(name) => self.archives.contains(name),
            Object::Repair(pack, _) => self.ids.contains(pack),
            Object::Attached(id, suffix) => self.attached.contains(&(*id, *suffix)),
            Object::Attachment(id) => self.attachments.contains(id),
        }
    }
}

fn archive_of(record: &Record) -> Option<ArchiveName> {
    record.body.as_ref().and_then(Database::archive_of).cloned()
}
