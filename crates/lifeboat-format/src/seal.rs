//! Where encryption meets the format: what a sealed object says in the open,
//! and the two traits through which its parts are sealed and opened.
//!
//! This crate knows no cipher. It says which bytes are one part, what that part
//! is bound to, and where its tag lies.

use std::fmt;
use std::sync::Arc;

use crate::id::{DatabaseName, RepositoryId};
use crate::object::{DecodeError, ObjectKind};

/// The length of a [`SealHeader`] in bytes.
pub const SEAL_LEN: usize = 80;
/// How many bytes longer a part is when it is sealed.
pub const TAG_LEN: usize = 16;

/// What a sealed object says of its key: the data key's id (16 bytes), the
/// object's salt (32) and a commitment to the object's key (32).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealHeader(pub [u8; SEAL_LEN]);

impl SealHeader {
    /// The id of the data key.
    pub fn key_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        id
    }
}

impl fmt::Debug for SealHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealHeader(data key {})", crate::hex::encode(&self.key_id()))
    }
}

/// A section of a sealed object. Its number stands in nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The body of a control object: 1.
    Body,
    /// The frames of a pack: 2.
    Frames,
    /// The block hashes of a pack: 3.
    Hashes,
    /// The index of a pack: 4.
    Index,
    /// The chunks of an archive: 5.
    Chunks,
}

impl Section {
    /// The number of the section.
    pub fn number(self) -> u8 {
        match self {
            Self::Body => 1,
            Self::Frames => 2,
            Self::Hashes => 3,
            Self::Index => 4,
            Self::Chunks => 5,
        }
    }
}

/// One part of a sealed object.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The section.
    pub section: Section,
    /// The number of the part in it, from 0.
    pub number: u32,
    /// Whether it is the last of its section.
    pub last: bool,
    /// Bytes that stand in the open and are authenticated with it.
    pub bound: &'a [u8],
}

/// The authentication tag of a part does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

/// The key of one object.
pub trait ObjectCipher: fmt::Debug + Send + Sync {
    /// What the object says of its key.
    fn header(&self) -> SealHeader;

    /// Seals a part in place and appends its tag.
    fn seal(&self, part: Part<'_>, data: &mut Vec<u8>);

    /// Opens a part in place and takes its tag off.
    fn open(&self, part: Part<'_>, data: &mut Vec<u8>) -> Result<(), Forged>;
}

/// What an object is sealed for: an object that was moved elsewhere does not
/// open there.
#[derive(Clone, Copy, Debug)]
pub struct SealContext<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: &'a DatabaseName,
    /// What the object is.
    pub kind: ObjectKind,
    /// Its id, the same on all destinations; empty for records, which say
    /// their number themselves.
    pub object: &'a [u8],
}

/// Why no key opens an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The object names a data key that is not among those that were opened.
    Unknown,
    /// The data key is there, but the object was sealed for another place.
    OtherPlace,
}

/// The data keys of a repository.
pub trait Keyring: fmt::Debug + Send + Sync {
    /// The key of a new object.
    fn sealer(&self, context: SealContext<'_>) -> Arc<dyn ObjectCipher>;

    /// The key of an object that is there.
    fn opener(
        &self,
        context: SealContext<'_>,
        header: &SealHeader,
    ) -> Result<Arc<dyn ObjectCipher>, KeyProblem>;
}

/// The database that objects belong to, and the keys that they are sealed with.
/// Without keys, only plain objects are written and read; with keys, only
/// sealed ones.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The database.
    pub database: &'a DatabaseName,
    /// The keys, where the repository is sealed.
    pub keys: Option<&'a dyn Keyring>,
}

impl<'a> Home<'a> {
    fn context(&self, kind: ObjectKind, object: &'a [u8]) -> SealContext<'a> {
        SealContext { repository: self.repository, database: self.database, kind, object }
    }

    /// The key of a new object; none where objects are plain.
    pub fn sealer(&self, kind: ObjectKind, object: &[u8]) -> Option<Arc<dyn ObjectCipher>> {
        let home = Home { repository: self.repository, database: self.database, keys: self.keys };
        self.keys.map(|keys| keys.sealer(home.context(kind, object)))
    }

    /// The key of an object that says of itself whether it is sealed. Sealed
    /// and plain never mix.
    pub fn opener(
        &self,
        kind: ObjectKind,
        object: &[u8],
        seal: Option<&SealHeader>,
    ) -> Result<Option<Arc<dyn ObjectCipher>>, DecodeError> {
        let home = Home { repository: self.repository, database: self.database, keys: self.keys };
        match (self.keys, seal) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(DecodeError::Sealed { kind }),
            (Some(_), None) => Err(DecodeError::NotSealed { kind }),
            (Some(keys), Some(seal)) => match keys.opener(home.context(kind, object), seal) {
                Ok(cipher) => Ok(Some(cipher)),
                Err(KeyProblem::Unknown) => {
                    Err(DecodeError::UnknownKey { kind, key: crate::hex::encode(&seal.key_id()) })
                }
                Err(KeyProblem::OtherPlace) => {
                    Err(DecodeError::Misplaced { kind, place: "database or repository" })
                }
            },
        }
    }
}
