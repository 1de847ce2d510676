//! The objects that rows name, one after the other, with what a listing shows of
//! each: for whoever wants to keep them.

use crate::check::Several;
use crate::error::{LinksError, chain};
use crate::finding::Seen;
use crate::group::{Cursor, Group};
use crate::probe::is_probe;

/// The objects that rows name, each once, in the order of their keys, byte by byte.
pub struct Mentioned {
    rows: Cursor,
    there: Option<Cursor>,
    scratch: std::path::PathBuf,
    /// Rows that hold no key, and one of them.
    pub unusable: Several,
    /// Why the store could not be listed, where it could not.
    pub unlisted: Option<String>,
}

impl std::fmt::Debug for Mentioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mentioned").field("unlisted", &self.unlisted).finish_non_exhaustive()
    }
}

impl Group {
    /// With another budget for sorting, in bytes.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.options.memory = bytes;
        self
    }

    /// Reads all rows, which blocks, and then lists the store once. A store that
    /// cannot be listed is no error: its objects can be asked for one by one.
    pub async fn mentioned(&self) -> Result<Mentioned, LinksError> {
        let io = |error| self.options.scratch(error);
        let mut checked = self.nothing_checked()?;
        let rows = Cursor::new(self.mentions(&mut checked)?).map_err(io)?;
        let mut unusable = Several::default();
        checked.findings.read(|finding| -> Result<(), LinksError> {
            unusable.add(|| finding.key);
            Ok(())
        })?;
        let (there, unlisted) = match self.objects(&mut checked).await {
            Ok(objects) => (Some(Cursor::new(objects).map_err(io)?), None),
            Err(LinksError::Store(error)) => (None, Some(chain(&error))),
            Err(error) => return Err(error),
        };
        let scratch = self.options.scratch.clone();
        Ok(Mentioned { rows, there, scratch, unusable, unlisted })
    }
}

impl Mentioned {
    /// The next key, and the object, where the listing shows it.
    pub fn advance(&mut self) -> Result<Option<(String, Option<Seen>)>, LinksError> {
        let io = |source| LinksError::Scratch { path: self.scratch.clone(), source };
        loop {
            let Some(key) = self.rows.key().map(<[u8]>::to_vec) else { return Ok(None) };
            self.rows.next_key().map_err(io)?;
            let mut seen = None;
            if let Some(there) = &mut self.there {
                while there.key().is_some_and(|object| object < key.as_slice()) {
                    there.next_key().map_err(io)?;
                }
                if there.key() == Some(&key) {
                    seen = Seen::of(&there.entry.payload);
                }
            }
            let key = String::from_utf8_lossy(&key).into_owned();
            if !is_probe(&key) {
                return Ok(Some((key, seen)));
            }
        }
    }
}
