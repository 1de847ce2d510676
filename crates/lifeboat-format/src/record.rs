//! Records: the numbered objects whose creation changes the state of a
//! database in a repository.

mod body;

pub use body::{Attachment, Content, SnapshotBody, SqliteFacts, Statistics, Trigger};
