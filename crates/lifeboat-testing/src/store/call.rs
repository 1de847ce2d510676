//! What was asked of the store, by whom, and what came of it.

use object_store::{Error, GetRange};

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Create or overwrite, in one call.
    Put,
    /// Read, whole or in part.
    Get,
    /// Look for.
    Head,
    /// List, with or without a delimiter.
    List,
    /// Delete one object.
    Delete,
    /// Copy; the key is the one copied to.
    Copy,
    /// Begin an upload in parts.
    Begin,
    /// Send a part.
    Part,
    /// End an upload in parts: this is what creates the object.
    Complete,
    /// Give up an upload in parts.
    Abort,
}

impl Op {
    /// Whether it may change which objects there are, or their bytes.
    pub fn changes(self) -> bool {
        matches!(self, Self::Put | Self::Delete | Self::Copy | Self::Complete)
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not answered yet, or the caller went away before it was.
    Pending,
    /// Applied, and said so.
    Ok,
    /// There is no such object.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// Anything else that failed, by the script or by itself.
    Error,
    /// Applied, and the client was told that the connection broke.
    Lost,
}

impl Outcome {
    pub(super) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(Error::NotFound { .. }) => Self::NotFound,
            Err(Error::AlreadyExists { .. }) => Self::AlreadyExists,
            Err(_) => Self::Error,
        }
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// By whom.
    pub client: String,
    /// Of which kind.
    pub op: Op,
    /// Of which object, or below which prefix.
    pub key: String,
    /// Which bytes of it, where not all were asked for.
    pub range: Option<GetRange>,
    /// What became of it. Where the store itself failed a call whose answer was
    /// to be lost, that failure.
    pub outcome: Outcome,
    /// Bytes of content: of a put or a part what was sent, applied or not; of
    /// a get what came back; otherwise none.
    pub bytes: u64,
}

/// All calls, each with a number by which its end is noted.
#[derive(Debug, Default)]
pub(super) struct Calls {
    next: u64,
    calls: Vec<(u64, Call)>,
}

impl Calls {
    pub(super) fn begin(&mut self, call: Call) -> u64 {
        self.next += 1;
        self.calls.push((self.next, call));
        self.next
    }

    pub(super) fn end(&mut self, number: u64, outcome: Outcome, bytes: u64) {
        // Not there any more if the calls were cleared meanwhile.
        if let Ok(at) = self.calls.binary_search_by_key(&number, |(number, _)| *number) {
            let call = &mut self.calls[at].1;
            call.outcome = outcome;
            call.bytes += bytes;
        }
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.calls.iter().map(|(_, call)| call.clone()).collect()
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
    }
}
