//! Data keys: what objects are sealed with.

use std::fmt;

use zeroize::Zeroizing;

use crate::derive::random;
use crate::error::CryptoError;
use crate::object::{ObjectContext, ObjectHeader, ObjectKey};

/// A key that seals objects of one repository, with the repository's key of
/// block hashes, which all of its data keys share. Wiped when dropped.
#[derive(Clone)]
pub struct DataKey {
    repository: [u8; 16],
    id: [u8; 16],
    ordinal: u32,
    key: Zeroizing<[u8; 32]>,
    hash_key: Zeroizing<[u8; 32]>,
}

/// The length of a data key as slots wrap it.
pub(crate) const PAYLOAD_LEN: usize = 4 + 16 + 16 + 4 + 32 + 32;
/// The first byte of a payload: its version. The second: the cipher suite.
const PAYLOAD_VERSION: u8 = 1;
const SUITE_AES_256_GCM: u8 = 1;

impl DataKey {
    /// The first data key of a new repository, drawn at random.
    pub fn generate(repository: [u8; 16]) -> Self {
        Self {
            repository,
            id: random(),
            ordinal: 1,
            key: Zeroizing::new(random()),
            hash_key: Zeroizing::new(random()),
        }
    }

    /// The next data key of the same repository; block hashes go on.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self {
            repository: self.repository,
            id: random(),
            ordinal: self.ordinal + 1,
            key: Zeroizing::new(random()),
            hash_key: self.hash_key.clone(),
        }
    }

    /// The repository it belongs to.
    pub fn repository(&self) -> &[u8; 16] {
        &self.repository
    }

    /// Its id, which stands in every object that it seals.
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// 1 for the first data key of a repository, 2 for the next. Whoever saw a
    /// higher one before is shown an old state.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The key of the block hashes.
    pub fn hash_key(&self) -> &[u8; 32] {
        &self.hash_key
    }

    /// The key of a new object, with a salt drawn at random.
    pub fn sealer(&self, context: &ObjectContext<'_>) -> ObjectKey {
        self.sealer_with_salt(context, random())
    }

    /// As [`sealer`](Self::sealer), with a salt from outside. **Only for test
    /// vectors**: a salt that is used for two objects gives both away.
    #[doc(hidden)]
    pub fn sealer_with_salt(&self, context: &ObjectContext<'_>, salt: [u8; 32]) -> ObjectKey {
        ObjectKey::derive(&self.key, self.id, context, salt)
    }

    /// The key of an object that lies somewhere.
    pub fn opener(
        &self,
        context: &ObjectContext<'_>,
        header: &ObjectHeader,
    ) -> Result<ObjectKey, CryptoError> {
        let key = ObjectKey::derive(&self.key, self.id, context, header.salt);
        if key.header() == header { Ok(key) } else { Err(CryptoError::OtherPlace) }
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.key
    }

    /// What slots wrap: with the repository, the scheme and the versions, so
    /// that none of them can be passed off as another.
    pub(crate) fn to_payload(&self) -> Zeroizing<Vec<u8>> {
        // Room for the tag, so that sealing in place leaves no copy behind.
        let mut payload = Zeroizing::new(Vec::with_capacity(PAYLOAD_LEN + crate::TAG_LEN));
        payload.extend_from_slice(&[PAYLOAD_VERSION, SUITE_AES_256_GCM, 0, 0]);
        payload.extend_from_slice(&self.repository);
        payload.extend_from_slice(&self.id);
        payload.extend_from_slice(&self.ordinal.to_le_bytes());
        payload.extend_from_slice(&self.key[..]);
        payload.extend_from_slice(&self.hash_key[..]);
        payload
    }

    pub(crate) fn from_payload(payload: &[u8]) -> Result<Self, CryptoError> {
        let part = |at: usize, len: usize| payload.get(at..at + len).ok_or(CryptoError::Damaged);
        if part(0, 4)? != [PAYLOAD_VERSION, SUITE_AES_256_GCM, 0, 0] {
            return Err(CryptoError::TooNew);
        }
        if payload.len() != PAYLOAD_LEN {
            return Err(CryptoError::Damaged);
        }
        let mut key = Self {
            repository: [0; 16],
            id: [0; 16],
            ordinal: 0,
            key: Zeroizing::new([0; 32]),
            hash_key: Zeroizing::new([0; 32]),
        };
        key.repository.copy_from_slice(part(4, 16)?);
        key.id.copy_from_slice(part(20, 16)?);
        let mut ordinal = [0; 4];
        ordinal.copy_from_slice(part(36, 4)?);
        key.ordinal = u32::from_le_bytes(ordinal);
        key.key.copy_from_slice(part(40, 32)?);
        key.hash_key.copy_from_slice(part(72, 32)?);
        Ok(key)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("ordinal", &self.ordinal).finish_non_exhaustive()
    }
}
