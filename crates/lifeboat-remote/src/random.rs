//! Names that nobody else uses.

use crate::error::{Failure, RemoteError};
use crate::rounds::Token;

/// 64 bits at random, in hexadecimal: enough where a handful are drawn for one
/// thing, and short enough for keys.
pub(crate) fn token() -> Result<Token, RemoteError> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(Token::new(&hex(&bytes)).expect("hexadecimal digits are plain"))
}

/// 128 bits at random, as they stand in names.
pub(crate) fn text() -> Result<String, RemoteError> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), RemoteError> {
    getrandom::fill(bytes)
        .map_err(|_| RemoteError::of("draw", "a random name", Failure::Unsupported))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
