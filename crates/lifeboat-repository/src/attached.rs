//! Files that snapshots have beside the database.
//!
//! The record of a snapshot names an index, the index names lists, and lists name
//! files with the parts that their bytes lie in. Who takes a snapshot goes through
//! all files in order, and hands back what is there already as it is: a file is sent
//! once, and a list of which nothing changed is not sent again.
//!
//! Rule R3 holds as for packs: a record names only what a living snapshot has, and
//! what its own writer put and nobody condemned since. Whoever puts something draws
//! a suffix for the whole run, and knows its own by that.

mod copy;
mod read;
mod survey;
mod write;

use lifeboat_format::attached::Attachments;
use lifeboat_format::id::Suffix;
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::record::{Record, State};

pub use read::AttachedFiles;
pub use write::{Attach, Attacher, FileFacts, Uploader};

use crate::error::{ReadError, WriteError};
use crate::log::Head;
use crate::repository::Database;

/// So many snapshots are looked at for the files that they have: one that was taken
/// without them must not have all sent again.
const BACK: usize = 16;

/// What a snapshot that is about to be committed has beside its image.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// What its record says.
    pub(crate) files: Option<Attachments>,
    /// The living snapshot whose objects it names.
    from: Option<RecordNo>,
    /// What objects of this run bear.
    suffix: Option<Suffix>,
    /// The sizes of the objects that were put.
    pub(crate) bytes_sent: u64,
    /// How many they were.
    pub(crate) objects: u64,
}

impl Attached {
    /// Whether a record may name all of it (rule R3).
    pub(crate) fn may_be_committed<'c>(
        &self,
        state: &State,
        condemned: impl IntoIterator<Item = &'c String>,
    ) -> bool {
        if self.files.is_none() {
            return true;
        }
        let alive = self.from.is_none_or(|number| state.alive.contains(number));
        let own = self.suffix.map(|suffix| format!("-{suffix}"));
        let is_own = |key: &String| {
            own.as_ref().is_some_and(|own| key.starts_with("attachments/") && key.ends_with(own))
        };
        alive && !condemned.into_iter().any(is_own)
    }
}

impl Database {
    /// Has somebody say which files belong to a snapshot that was captured.
    ///
    /// Cancelled, it leaves objects that no record names.
    pub(crate) async fn attach(
        &self,
        head: &Head,
        attach: Option<&dyn Attach>,
    ) -> Result<Attached, WriteError> {
        let Some(attach) = attach else { return Ok(Attached::default()) };
        let mut attacher = Attacher::new(self, head).await?;
        attach.attach(&mut attacher).await?;
        attacher.finish().await
    }

    /// The newest living snapshots of those that have files.
    async fn latest_attached(
        &self,
        head: &Head,
    ) -> Result<Option<(RecordNo, Attachments)>, ReadError> {
        let state = head.state();
        for number in state.alive.iter().rev().take(BACK) {
            match self.record_below(head, number).await {
                Ok(record) => {
                    if let Some(files) = record.envelope.attachments {
                        return Ok(Some((number, files)));
                    }
                }
                Err(error) if error.is_lost_record() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What the latest living snapshot says of its files: none where there is no
    /// snapshot, or one without.
    pub async fn attachments_now(&self) -> Result<Option<Attachments>, ReadError> {
        let head = self.head(None).await?;
        let Some(latest) = head.state().latest else { return Ok(None) };
        match self.record_below(&head, latest.number).await {
            Ok(record) => Ok(record.envelope.attachments),
            Err(error) if error.is_lost_record() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a record says of its files.
pub(crate) fn attachments_of(record: &Record) -> Option<&Attachments> {
    record.envelope.attachments.as_ref()
}
