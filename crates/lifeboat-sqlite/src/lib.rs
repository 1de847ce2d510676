//! What Lifeboat needs of SQLite's C interface (file handles, wal-index,
//! locks), made safe.
//!
//! SQLite guards a database with POSIX locks, and those vanish when *any*
//! descriptor of the file is closed in the process. So nothing here opens a
//! live database, or its `-shm`, with a descriptor of its own: every byte comes
//! through the handles that SQLite itself holds.
//!
//! ```
//! use lifeboat_sqlite::{Connection, JournalMode};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! # rusqlite::Connection::open(&path)?.execute_batch("CREATE TABLE t(x)")?;
//! let mut connection = Connection::open(&path, std::time::Duration::from_secs(5))?;
//! let read = connection.begin_read()?;
//! assert_eq!(read.journal_mode()?, JournalMode::Rollback);
//! let mut header = [0; 16];
//! read.main_file()?.read_at(&mut header, 0)?;
//! assert_eq!(&header, b"SQLite format 3\0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! While a connection to a database in WAL mode is open, no application can
//! leave WAL mode or take the database exclusively; dropping the connection
//! detaches. Two copies of SQLite in one process destroy each other's locks:
//! a program must link one, which Cargo's `links` sees to among Rust crates.
//!
//! # Code map
//!
//! - `connection`: opening and leaving a live database without a trace
//! - `transaction`: what may be read, and only while a transaction is open
//! - `wal_index`: the header of the wal-index, the one authority on commits
//! - `check`: `integrity_check` and `foreign_key_check` of a private file
//! - `rows`: the rows of a query, and changes that somebody asked for
//! - `pages`: which table or index a page belongs to
//! - `writable`: a database that is to be replaced, in place or through SQLite
//! - `raw`: all `unsafe` code
//!
//! Nothing of rusqlite appears in the public interface, and nothing of it but
//! its `ffi` module is used, so that any version in the accepted range will do.

mod check;
mod connection;
mod error;
mod pages;
mod raw;
mod rows;
mod transaction;
mod uri;
mod version;
mod wal_index;
mod writable;

pub use check::{Answer, CheckError, Finding, PrivateDatabase, SchemaEntry, TableRows};
pub use connection::{Access, Connection};
pub use error::{BeginError, ConnectError, SqliteError};
pub use pages::{ObjectKind, PageOwner, PagesError, SchemaObject};
pub use raw::{Completeness, FileHandle};
pub use rows::{Change, Rows, Value, WriteTransaction};
pub use transaction::{JournalMode, ReadTransaction, WalIndexError};
pub use version::{MIN_SAFE_VERSION, library_version};
pub use wal_index::{WalIndexHeader, WalPosition};
pub use writable::{Exclusive, Overwrite, WritableDatabase};
