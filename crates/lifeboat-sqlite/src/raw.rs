//! All `unsafe` code: small safe wrappers around `sqlite3`, `sqlite3_stmt`,
//! `sqlite3_file` and the mapped wal-index.
#![expect(
    unsafe_code,
    reason = "SQLite's file handles and wal-index are reachable through C alone"
)]

mod backup;
mod canary;
mod db;
mod file;
mod shm;
mod statement;

pub(crate) use backup::Backup;
pub(crate) use canary::Canary;
pub use canary::LockState;
pub(crate) use db::{Db, DbConfig, library_version};
pub use file::{Completeness, FileHandle};
pub(crate) use file::{ShmLock, ShmMode};
pub(crate) use shm::Shm;
pub(crate) use statement::Statement;
