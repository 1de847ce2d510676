//! Whole files of a 12-byte nonce, AES-256-GCM ciphertext and a 16-byte tag, as
//! other programs write them. Read only: nothing here makes such files.

use ring::aead::{Aad, NONCE_LEN, Nonce};

use crate::TAG_LEN;
use crate::error::CryptoError;
use crate::object::aead_key;
use crate::secret::RawKey;

/// Opens a file in place, and returns its content.
pub fn open<'d>(key: &RawKey, file: &'d mut [u8]) -> Result<&'d mut [u8], CryptoError> {
    let Some((nonce, sealed)) = file.split_first_chunk_mut::<NONCE_LEN>() else {
        return Err(CryptoError::Forged);
    };
    if sealed.len() < TAG_LEN {
        return Err(CryptoError::Forged);
    }
    aead_key(key.bytes())
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), sealed)
        .map_err(|_| CryptoError::Forged)
}
