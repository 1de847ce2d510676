//! Object keys: where each object of a repository lies, below its root.

use crate::archive::ArchiveName;
use crate::id::{DatabaseName, EpochId, ListId, PackId};
use crate::list::PackEntry;
use crate::log::SegmentNo;
use crate::numbers::RecordNo;

/// The folder that holds one folder for each database.
pub const DATABASES: &str = "databases";
/// The folder of the objects that say what the repository is.
pub const FORMAT: &str = "format";
/// The folder of wrapped data keys.
pub const KEYS: &str = "keys";
/// The folder in which a probe of the store works.
pub const PROBES: &str = "probes";

/// The key of the `k`-th format object, from 1.
pub fn format(k: u64) -> String {
    format!("{FORMAT}/{k}")
}

/// Where what is proposed for the `k`-th format object lies, on stores that ignore
/// conditions; its digest follows.
pub fn format_body(k: u64) -> String {
    format!("bodies/{k}")
}

/// Where the `k`-th format object is decided on, on such stores.
pub fn format_rounds(k: u64) -> String {
    format!("rounds/{k}")
}

/// The folder of the slots of a data key.
pub fn slots(data_key: [u8; 16]) -> String {
    format!("{KEYS}/{}", crate::hex::encode(&data_key))
}

/// The key of a slot of a data key.
pub fn slot(data_key: [u8; 16], slot: [u8; 16]) -> String {
    format!("{}/{}", slots(data_key), crate::hex::encode(&slot))
}

/// The keys of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseKeys {
    root: String,
}

impl DatabaseKeys {
    /// The keys of the database of this name.
    pub fn new(name: &DatabaseName) -> Self {
        Self { root: format!("{DATABASES}/{}", name.key()) }
    }

    /// The folder of the database.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The key of an object named relative to the folder of the database.
    pub fn at(&self, relative: &str) -> String {
        format!("{}/{relative}", self.root)
    }

    /// The key of a record.
    pub fn record(&self, n: RecordNo) -> String {
        self.at(&format!("records/{:020}", n.0))
    }

    /// The folder of records.
    pub fn records(&self) -> String {
        self.at("records")
    }

    /// The number of the record that has this key, if it is one of a record.
    pub fn record_number(&self, key: &str) -> Option<RecordNo> {
        let digits = key.strip_prefix(&self.records())?.strip_prefix('/')?;
        let is_one = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_one).map(RecordNo)
    }

    /// The folder of packs.
    pub fn packs(&self) -> String {
        self.at("packs")
    }

    /// The folder of pack lists.
    pub fn lists(&self) -> String {
        self.at("lists")
    }

    /// The folder of the commit log; below it one folder for each epoch.
    pub fn log(&self) -> String {
        self.at("log")
    }

    /// The folder of single-file snapshots.
    pub fn archives(&self) -> String {
        self.at("archives")
    }

    /// The folder of further objects of snapshots.
    pub fn attachments(&self) -> String {
        self.at("attachments")
    }

    /// The folder that says where the content of damaged packs lies now.
    pub fn repairs(&self) -> String {
        self.at("repairs")
    }

    /// The folder of the results of checks and drills.
    pub fn checks(&self) -> String {
        self.at("checks")
    }

    /// The folder of heartbeats.
    pub fn heartbeats(&self) -> String {
        self.at("heartbeats")
    }

    /// The folder of what was proposed, on stores that ignore conditions.
    pub fn bodies(&self) -> String {
        self.at("bodies")
    }

    /// The folder of the rounds that decide, on such stores.
    pub fn rounds(&self) -> String {
        self.at("rounds")
    }

    /// Where what is proposed as a record lies there; its digest follows.
    pub fn record_body(&self, n: RecordNo) -> String {
        self.at(&format!("bodies/{:020}", n.0))
    }

    /// Where a record is decided on there.
    pub fn record_rounds(&self, n: RecordNo) -> String {
        self.at(&format!("rounds/{:020}", n.0))
    }

    /// The number of the record for which an object below [`bodies`](Self::bodies)
    /// or [`rounds`](Self::rounds) was put, if it was put for one.
    pub fn decided_number(&self, key: &str) -> Option<RecordNo> {
        let rest = [self.bodies(), self.rounds()]
            .iter()
            .find_map(|folder| key.strip_prefix(folder.as_str())?.strip_prefix('/'))?;
        let digits = rest.get(..20).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        let ends = matches!(rest.as_bytes().get(20), Some(b'-' | b'/'));
        digits.parse().ok().filter(|_| ends).map(RecordNo)
    }

    /// Where what is proposed as a repair lies there; its digest follows.
    pub fn repair_body(&self, pack: PackId, k: u32) -> String {
        self.at(&format!("bodies/repair-{pack}-{k}"))
    }

    /// Where a repair is decided on there.
    pub fn repair_rounds(&self, pack: PackId, k: u32) -> String {
        self.at(&format!("rounds/repair-{pack}-{k}"))
    }
}

/// The key of a pack, relative to the folder of the database.
pub fn pack(entry: &PackEntry) -> String {
    format!("packs/{}-{}", entry.pack, entry.suffix)
}

/// The key of an archive, relative to the folder of the database.
pub fn archive(name: &ArchiveName) -> String {
    format!("archives/{name}")
}

/// The key of a check result, relative to the folder of the database.
pub fn check(name: &crate::check::CheckName) -> String {
    format!("checks/{name}")
}

/// The key of a heartbeat, relative to the folder of the database.
pub fn heartbeat(name: &crate::heartbeat::HeartbeatName) -> String {
    format!("heartbeats/{name}")
}

/// The key of a failure, relative to the folder of the database.
pub fn failure(name: &crate::failure::FailureName) -> String {
    format!("heartbeats/{name}")
}

/// The key of a pack list, relative to the folder of the database.
pub fn list(id: ListId) -> String {
    format!("lists/{id}")
}

/// The folder of the segments of an epoch, relative to the folder of the
/// database.
pub fn epoch(epoch: EpochId) -> String {
    format!("log/{epoch}")
}

/// The key of a segment, relative to the folder of the database.
pub fn segment(epoch: EpochId, number: SegmentNo) -> String {
    format!("log/{epoch}/{:020}", number.0)
}

/// The epoch and number of a segment that has this key, relative to the folder of
/// the database, if it is one of a segment.
pub fn parse_segment(relative: &str) -> Option<(EpochId, SegmentNo)> {
    let (epoch, digits) = relative.strip_prefix("log/")?.split_once('/')?;
    let is_one = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| is_one && *number > 0)?;
    Some((epoch.parse().ok()?, SegmentNo(number)))
}
