//! Names that nobody else uses.

use crate::error::{Failure, RemoteError};
use crate::rounds::Token;

/// 128 bits at random, in hexadecimal.
pub(crate) fn token() -> Result<Token, RemoteError> {
    Ok(Token::new(&text()?).expect("hexadecimal digits are plain"))
}

/// 128 bits at random, as they stand in names.
pub(crate) fn text() -> Result<String, RemoteError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| RemoteError::of("draw", "a random name", Failure::Unsupported))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
