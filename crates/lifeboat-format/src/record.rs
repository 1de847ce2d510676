//! Records: the numbered objects whose creation changes the state of a
//! database in a repository.
//!
//! The body of the object is one line of JSON, the [`Envelope`], and in
//! snapshots a second, the [`SnapshotBody`]. A copy to another destination
//! keeps the second line byte for byte and writes its own first line.

mod body;
mod envelope;
mod epoch;

pub use body::{Attachment, Content, SnapshotBody, SqliteFacts, Statistics, Trigger};
pub use envelope::{Envelope, Latest, RecordKind, State, Trashed};
pub use epoch::{Epoch, EpochEnd, LastSegment, LogFloor, LogPlace};

use crate::digest::Digest;
use crate::numbers::RecordNo;
use crate::object::{self, DecodeError, ObjectKind};
use crate::seal::{Home, Keyring};

/// A record that was read and proven, or is about to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What belongs to the destination.
    pub envelope: Envelope,
    /// What is the same everywhere, in a snapshot.
    pub body: Option<SnapshotBody>,
    /// The bytes of the body, as they were written first.
    body_text: Option<String>,
    /// BLAKE3 of the whole object.
    digest: Digest,
    object_len: usize,
}

/// Where a record should have been written for, so that one that was moved or
/// swapped is told apart.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace<'a> {
    /// The database it is read from, and the keys it is opened with.
    pub home: Home<'a>,
    /// The number under which it lies.
    pub number: RecordNo,
}

/// The text of a snapshot's body, to be written into records.
pub fn body_text(body: &SnapshotBody) -> String {
    serde_json::to_string(body).expect("strings, numbers and maps of strings always serialise")
}

/// Encodes a record, sealed where there are keys. `envelope.body_digest` is set
/// to fit `body_text`.
pub fn encode(
    mut envelope: Envelope,
    body_text: Option<&str>,
    keys: Option<&dyn Keyring>,
) -> Vec<u8> {
    envelope.body_digest = body_text.map(|text| Digest::of(text.as_bytes()));
    let mut body = serde_json::to_vec(&envelope).expect("an envelope always serialises");
    if let Some(text) = body_text {
        body.push(b'\n');
        body.extend_from_slice(text.as_bytes());
    }
    let home = Home { repository: envelope.repository, database: &envelope.database, keys };
    let cipher = home.sealer(ObjectKind::Record, &[]);
    object::encode_sealed(ObjectKind::Record, body, cipher.as_deref())
}

/// What is put under a number whose record is gone, so that the log has no hole and
/// nobody takes the number again: the beginning of a record and nothing else, which
/// every reader takes for a damaged one.
pub fn burnt(sealed: bool) -> Vec<u8> {
    object::beginning(ObjectKind::Record, sealed).to_vec()
}

impl Record {
    /// Decodes and proves a record.
    pub fn decode(object: &[u8], place: RecordPlace<'_>) -> Result<Self, DecodeError> {
        let damaged = |what| DecodeError::damaged(ObjectKind::Record, what);
        let misplaced = |place| DecodeError::Misplaced { kind: ObjectKind::Record, place };
        let content = object::decode_sealed(ObjectKind::Record, object, &place.home, &[])?;
        let content = std::str::from_utf8(&content).map_err(|_| damaged("text"))?;
        let (first, second) = match content.split_once('\n') {
            Some((first, second)) => (first, Some(second)),
            None => (content, None),
        };
        // The digest has proven the bytes: what does not parse is not damage.
        let strange = |what| DecodeError::NotUnderstood { kind: ObjectKind::Record, what };
        let envelope: Envelope = serde_json::from_str(first).map_err(|_| strange("envelope"))?;
        if envelope.repository != place.home.repository {
            return Err(misplaced("repository"));
        }
        if envelope.database != *place.home.database {
            return Err(misplaced("database"));
        }
        if envelope.number != place.number {
            return Err(misplaced("number"));
        }
        if envelope.body_digest != second.map(|text| Digest::of(text.as_bytes())) {
            return Err(damaged("body"));
        }
        let body = match second {
            Some(text) => Some(serde_json::from_str(text).map_err(|_| strange("body"))?),
            None => None,
        };
        let is_snapshot = envelope.kind == RecordKind::Snapshot;
        let has_geometry =
            body.as_ref().is_none_or(|body: &SnapshotBody| body.geometry().is_some());
        if is_snapshot != body.is_some() || !has_geometry {
            return Err(strange("body"));
        }
        if !state_is_possible(&envelope) {
            return Err(strange("state"));
        }
        Ok(Self {
            envelope,
            body,
            body_text: second.map(str::to_owned),
            digest: Digest::of(object),
            object_len: object.len(),
        })
    }

    /// BLAKE3 of the whole object.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The size of the object in bytes.
    pub fn object_len(&self) -> usize {
        self.object_len
    }

    /// The bytes of the body, to be copied to another destination.
    pub fn body_text(&self) -> Option<&str> {
        self.body_text.as_deref()
    }

    /// The number of the record.
    pub fn number(&self) -> RecordNo {
        self.envelope.number
    }
}

/// Numbers in a state never lie beyond the record that states it: whoever
/// walks them is bounded by the length of the log.
fn state_is_possible(envelope: &Envelope) -> bool {
    let state = &envelope.state;
    let number = envelope.number;
    let known = |n: RecordNo| n >= RecordNo::FIRST && n <= number;
    let trashed: std::collections::HashSet<_> = state.trash.iter().map(|t| t.number).collect();
    let is_snapshot = envelope.kind == RecordKind::Snapshot;
    [&state.alive, &state.pins, &envelope.subject].iter().all(|set| set.last().is_none_or(known))
        && trashed.len() == state.trash.len()
        && trashed.iter().all(|&n| known(n) && !state.alive.contains(n))
        && state.latest.is_some() != state.alive.is_empty()
        && state.latest.is_none_or(|latest| state.alive.contains(latest.number))
        && state.partial.is_none_or(known)
        && state.generation < u64::MAX / 2
        && (!is_snapshot || state.alive.contains(number))
        && epoch::log_is_possible(state, number)
}
