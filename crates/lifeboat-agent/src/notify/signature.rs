//! The signature of a webhook: that a message comes from who knows the secret, is
//! as it was sent, and is not one of last year's.

use std::fmt;
use std::time::Duration;

use ring::hmac;
use time::OffsetDateTime;

use super::message::hex;

/// The name of the header that carries it.
pub const SIGNATURE_HEADER: &str = "Lifeboat-Signature";

/// Why a message is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The header is not `t=SECONDS,v1=HEX`.
    #[error("understand the signature")]
    Malformed,
    /// It was not made with this secret, or for other bytes.
    #[error("confirm the signature: it is of another secret or another message")]
    Wrong,
    /// It was made too long ago, or lies in the future.
    #[error("accept the signature: its time is more than {} s from now", .0.as_secs())]
    Old(Duration),
}

/// The header for a body that is sent now: `t=1795255530,v1=6d5c…`, the second
/// being HMAC-SHA256 of `1795255530.BODY` in hex.
pub fn sign(secret: &str, body: &[u8], now: OffsetDateTime) -> String {
    let seconds = now.unix_timestamp();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("t={seconds},v1={}", hex(mac(&key, seconds, body).as_ref()))
}

/// Whether a body that came with this header was signed with the secret, at most
/// `tolerance` ago. For receivers: the body must be the bytes that arrived. Takes
/// the same time whatever is wrong with the signature.
pub fn verify(
    secret: &str,
    header: &str,
    body: &[u8],
    now: OffsetDateTime,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let part = |name: &'static str| {
        header.split(',').filter_map(move |part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let seconds: i64 =
        part("t").next().and_then(|text| text.parse().ok()).ok_or(SignatureError::Malformed)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = signed_bytes(seconds, body);
    let mut tags = part("v1").filter_map(unhex).peekable();
    if tags.peek().is_none() {
        return Err(SignatureError::Malformed);
    }
    // Several are there while a secret is being replaced.
    if !tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()) {
        return Err(SignatureError::Wrong);
    }
    if now.unix_timestamp().abs_diff(seconds) > tolerance.as_secs() {
        return Err(SignatureError::Old(tolerance));
    }
    Ok(())
}

fn mac(key: &hmac::Key, seconds: i64, body: &[u8]) -> hmac::Tag {
    hmac::sign(key, &signed_bytes(seconds, body))
}

fn signed_bytes(seconds: impl fmt::Display, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{seconds}.").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}
