//! Where snapshot and repository meet: a source of pages, what is already
//! known of them, a sink for what changed, and a sink for what is restored.
//!
//! All of these are blocking, because SQLite is. A source drives: it calls the
//! sink group by group, in ascending order.

use time::OffsetDateTime;

use crate::digest::{BlockHash, GroupHash, HashKey};
use crate::geometry::{BlockNo, Geometry, GroupNo};
use crate::record::SqliteFacts;

/// The other side ended the conversation: it was cancelled, or failed and keeps
/// its own reason. Not an error of the one who passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What is known of an earlier image of the same database.
pub trait KnownBlocks: Send {
    /// The shape of the earlier image, or `None` if nothing is known. Where the
    /// block size differs from the new image's, nothing known is of use.
    fn geometry(&self) -> Option<Geometry>;

    /// Reads what is known of one group: `hashes` is replaced by one hash for
    /// each block that the group had then ([`BlockHash::ABSENT`] where a
    /// block's content is not known), and is left empty beyond the end of the
    /// earlier image.
    fn group(&mut self, group: GroupNo, hashes: &mut Vec<BlockHash>) -> Result<GroupHash, Stopped>;
}

/// One group of a new image.
#[derive(Debug)]
pub struct ScannedGroup<'a> {
    /// Its first block.
    pub first: BlockNo,
    /// The hash over all its bytes.
    pub group_hash: GroupHash,
    /// One hash for each of its blocks, the absent block's as zeros.
    pub hashes: &'a [BlockHash],
    /// The blocks whose hash differs from the known one, ascending. The absent
    /// block is never among them.
    pub changed: &'a [BlockNo],
    /// The bytes of the changed blocks, one after the other, masked by
    /// [`Geometry::mask`].
    pub data: &'a [u8],
}

/// Takes a new image, group by group.
pub trait ChangeSink: Send {
    /// Announces the shape of the image. Called once, before the first group.
    fn begin(&mut self, geometry: Geometry) -> Result<(), Stopped>;

    /// Takes the next group, in ascending order without gaps.
    fn group(&mut self, group: &ScannedGroup<'_>) -> Result<(), Stopped>;

    /// Asked between reads that call neither of the others, so that a
    /// cancelled run ends soon.
    fn keep_going(&self) -> Result<(), Stopped>;

    /// Asked after the last group, until it says `None`: the next group whose
    /// bytes are wanted once more, though not all of its blocks changed.
    /// Ascending. A source that cannot read the same state any more may end
    /// early, or hand over another: the sink compares it with what it was told.
    fn wanted_again(&mut self) -> Result<Option<GroupNo>, Stopped> {
        Ok(None)
    }

    /// Takes all bytes of the group that [`wanted_again`](Self::wanted_again)
    /// named last, masked by [`Geometry::mask`].
    fn group_again(&mut self, data: &[u8]) -> Result<(), Stopped> {
        let _ = data;
        Ok(())
    }
}

/// What is true of an image that was captured whole.
#[derive(Clone, Debug)]
pub struct CapturedImage {
    /// Its shape.
    pub geometry: Geometry,
    /// When the read that fixed its content began.
    pub taken_at: OffsetDateTime,
    /// What SQLite's header says of it.
    pub sqlite: SqliteFacts,
    /// How many bytes were read of the database and its WAL.
    pub bytes_read: u64,
    /// The state of the database, if it can be recognised again.
    pub fingerprint: Option<Fingerprint>,
}

/// Says, without any page being read, that a database is in a state that was
/// captured before. Equal fingerprints mean equal content; a state that cannot
/// be told for sure has none. It is never made of size and modification time
/// alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub Vec<u8>);

/// Why a capture ended early.
#[derive(Debug)]
pub enum CaptureError<E> {
    /// The source failed.
    Source(E),
    /// The sink, or what is known, ended it.
    Stopped,
}

impl<E> From<Stopped> for CaptureError<E> {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// A database of which consistent images can be taken.
pub trait PageSource: Send {
    /// Why reading failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The present state, if it can be told without reading pages.
    fn fingerprint(&mut self) -> Result<Option<Fingerprint>, Self::Error>;

    /// Takes one consistent image and hands `sink` every group of it, with the
    /// blocks that differ from `known`.
    ///
    /// When it returns an error the sink has seen part of an image, which must
    /// be thrown away.
    fn capture(
        &mut self,
        key: &HashKey,
        known: &mut dyn KnownBlocks,
        sink: &mut dyn ChangeSink,
    ) -> Result<CapturedImage, CaptureError<Self::Error>>;
}

/// Takes the blocks of an image that is being restored, in any order.
pub trait PageSink: Send {
    /// Why writing failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Announces the shape of the image, before the first blocks. Called again,
    /// with the same shape, where all of it begins anew.
    fn begin(&mut self, geometry: Geometry) -> Result<(), Self::Error>;

    /// Takes consecutive blocks; `data` is a whole number of blocks.
    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), Self::Error>;
}
