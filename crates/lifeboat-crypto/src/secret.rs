//! What a person holds: a raw key or a passphrase.

use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::derive::random;
use crate::error::CryptoError;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// 32 random bytes that a person keeps. Wiped when dropped, shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct RawKey(Zeroizing<[u8; 32]>);

impl RawKey {
    /// Draws one at random.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// Makes it of 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads 32 bytes in Base64: standard or URL-safe alphabet, padding
    /// optional, white space around it ignored.
    pub fn parse(text: &str) -> Result<Self, CryptoError> {
        let standard: Zeroizing<Vec<u8>> = Zeroizing::new(
            text.trim()
                .bytes()
                .map(|byte| match byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    other => other,
                })
                .collect(),
        );
        // 44 characters give at most 33 bytes; more is no key.
        if standard.len() > 44 {
            return Err(CryptoError::NotAKey);
        }
        let mut bytes = Zeroizing::new([0; 36]);
        let len =
            BASE64.decode_slice(&standard[..], &mut bytes[..]).map_err(|_| CryptoError::NotAKey)?;
        let key: [u8; 32] = bytes[..len].try_into().map_err(|_| CryptoError::NotAKey)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key in Base64, to be shown once to the person who keeps it.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.0[..]))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A passphrase, as typed. Wiped when dropped, shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes any text but an empty or blank one. Bytes count: no normalisation,
    /// no trimming.
    pub fn new(text: impl Into<String>) -> Result<Self, CryptoError> {
        let text = Zeroizing::new(text.into());
        if text.trim().is_empty() { Err(CryptoError::EmptyPassphrase) } else { Ok(Self(text)) }
    }

    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What opens a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// 32 random bytes.
    Raw(RawKey),
    /// A text that a person remembers.
    Passphrase(Passphrase),
}

impl fmt::Debug for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawKey(..)")
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_every_spelling() {
        let key = RawKey::from_bytes([0xfb; 32]);
        let text = key.to_text();
        assert_eq!(text.len(), 44);
        for spelling in [
            text.to_string(),
            text.trim_end_matches('=').to_owned(),
            text.replace('+', "-").replace('/', "_"),
            format!(" {}\n", *text),
        ] {
            assert_eq!(RawKey::parse(&spelling), Ok(key.clone()), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = RawKey::from_bytes([1; 32]).to_text();
        for bad in ["", "x", "not base64 at all!", &good[..40], &format!("{}AAAA", *good)] {
            assert_eq!(RawKey::parse(bad), Err(CryptoError::NotAKey), "{bad}");
        }
        assert!(Passphrase::new("").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = RawKey::from_bytes([b'k'; 32]);
        let secret = Secret::Passphrase(Passphrase::new("canary").expect("not empty"));
        let shown = format!("{key:?} {secret:?} {:?}", Secret::Raw(key.clone()));
        assert!(!shown.contains("canary") && !shown.contains("107"), "{shown}");
    }
}
