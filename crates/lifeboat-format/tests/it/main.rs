//! The format as strangers meet it: an independent reader restores what these
//! encoders wrote, `docs/format.md` has an example that is true, and no decoder
//! believes what it is told.

mod decoders;
mod example;
mod python;
mod reader;
mod repository;
