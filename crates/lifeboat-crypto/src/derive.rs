//! HKDF-SHA256 (RFC 5869), Argon2id (RFC 9106) and random bytes.

use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::slot::Kdf;

/// A key for AES-256-GCM, and a value that commits to it: GCM alone lets one
/// ciphertext open under two keys.
pub(crate) struct Derived {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) commitment: [u8; 32],
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 of a secret; `info` is the concatenation of its parts.
pub(crate) fn expand<const N: usize>(
    secret: &[u8],
    salt: &[u8],
    info: &[&[u8]],
) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(N))
        .and_then(|okm| okm.fill(&mut out[..]))
        .expect("HKDF gives up to 255 blocks of 32 bytes");
    out
}

/// 64 bytes of HKDF-SHA256: a key and its commitment.
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &[&[u8]]) -> Derived {
    let bytes: Zeroizing<[u8; 64]> = expand(secret, salt, info);
    let mut derived = Derived { key: Zeroizing::new([0; 32]), commitment: [0; 32] };
    derived.key.copy_from_slice(&bytes[..32]);
    derived.commitment.copy_from_slice(&bytes[32..]);
    derived
}

/// Argon2id. Its memory is freed before this returns.
pub(crate) fn stretch(passphrase: &[u8], kdf: &Kdf) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    if !kdf.is_allowed() {
        return Err(CryptoError::Derivation);
    }
    let params = argon2::Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32))
        .map_err(|_| CryptoError::Derivation)?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase, &kdf.salt, &mut out[..])
        .map_err(|_| CryptoError::Derivation)?;
    Ok(out)
}

/// Bytes drawn at random from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
    bytes
}
