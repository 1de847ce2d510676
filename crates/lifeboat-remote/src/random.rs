//! Names that nobody else uses.

use crate::error::{Failure, RemoteError};
use crate::rounds::Token;

/// 64 bits at random, in hexadecimal: enough where a handful are drawn for one
/// thing, and short enough for keys.
pub(crate) fn token() -> Result<Token, RemoteError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|_| RemoteError::of("draw", "a random name", Failure::Unsupported))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Token::new(&text).expect("hexadecimal digits are plain"))
}
