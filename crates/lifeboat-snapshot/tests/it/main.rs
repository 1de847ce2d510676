//! Live databases against a second SQLite in other processes (Python's).

mod changes;
mod images;
mod locks;
mod odd;
mod replace;
mod replace_kills;
mod rollback;
mod staged;
mod support;
mod writers;
