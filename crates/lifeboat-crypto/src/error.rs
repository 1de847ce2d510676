//! What can go wrong with keys. No variant holds a secret.

/// Why something cannot be opened, wrapped or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A text is not a key.
    #[error("a key is 32 bytes in Base64, which this is not")]
    NotAKey,
    /// A passphrase is empty.
    #[error("a passphrase is not empty")]
    EmptyPassphrase,
    /// The secret is not the one that the slot was made for.
    #[error("the key or passphrase is not the one of this slot")]
    WrongSecret,
    /// The secret fits, but what it opens is not the key of this repository.
    #[error("the slot belongs to another repository or data key")]
    OtherRepository,
    /// The slot asks for a key derivation that is too weak or too costly.
    #[error("the slot asks for key derivation parameters outside of what is allowed")]
    Derivation,
    /// The slot is of a kind or version that is not known here.
    #[error("the slot was made by a later version")]
    TooNew,
    /// A slot's bytes are not what was written.
    #[error("the slot is damaged")]
    Damaged,
    /// The object was sealed with another data key, or for another place.
    #[error("sealed for another place, or with another key")]
    OtherPlace,
    /// The authentication tag does not fit: the bytes were changed.
    #[error("authentication failed")]
    Forged,
}
