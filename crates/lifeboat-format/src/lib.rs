//! What the bytes of a Lifeboat repository are.

pub mod digest;
pub mod geometry;
pub mod hex;
pub mod id;
pub mod numbers;
pub mod record;
pub mod source;
