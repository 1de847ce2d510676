//! A staged file with holes: not the image, but all of it that could be proven.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_sqlite::{CheckError, PrivateDatabase};

use super::error::PublishError;
use super::proven::ProvenFile;
use super::{ProveError, StagedFile};

/// A staged file that is known not to be the image; dropped, it is removed.
pub struct SalvagedFile {
    file: ProvenFile,
    geometry: Geometry,
}

/// Pages of one table or index that are not what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostPages {
    /// The table or index; `None` for pages of which that cannot be told: they
    /// were free, administered others, or hung on a page that is lost too.
    pub owner: Option<String>,
    /// The table that it belongs to.
    pub table: Option<String>,
    /// The pages, ascending.
    pub pages: Vec<u32>,
}

impl StagedFile {
    /// Takes the file as it is, with zeros where nothing was written.
    pub fn accept_with_holes(self) -> Result<SalvagedFile, ProveError> {
        let geometry = self.geometry.ok_or(ProveError::NotBegun)?;
        self.file.sync_all().map_err(|source| ProveError::Io { source })?;
        let file: File = self.file;
        Ok(SalvagedFile { file: ProvenFile::new(file, self.place), geometry })
    }
}

impl SalvagedFile {
    /// Where the file lies now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Says which tables and indexes the pages of some blocks belong to, as far
    /// as the tables can still be walked through; the table with the most pages
    /// first, what belongs to none last.
    pub fn owners(&self, runs: &[(BlockNo, u32)]) -> Result<Vec<LostPages>, CheckError> {
        let mut left: BTreeSet<u32> = BTreeSet::new();
        for (first, count) in runs {
            for block in (first.0..first.0 + count).map(BlockNo) {
                let (from, to) = self.geometry.pages_of(block);
                left.extend(from.0..=to.0);
            }
        }
        let database = PrivateDatabase::open(self.path())?;
        let mut all = Vec::new();
        // Without a schema nothing has an owner.
        for object in database.schema_objects().unwrap_or_default() {
            let mut pages = Vec::new();
            // A table that cannot be walked to its end names those up to there.
            let _ = database.each_page_of(&object.name, |page| {
                if left.remove(&page) {
                    pages.push(page);
                }
            });
            if !pages.is_empty() {
                pages.sort_unstable();
                let (owner, table) = (Some(object.name), Some(object.table));
                all.push(LostPages { owner, table, pages });
            }
        }
        all.sort_by_key(|lost| std::cmp::Reverse(lost.pages.len()));
        if !left.is_empty() {
            let pages = left.into_iter().collect();
            all.push(LostPages { owner: None, table: None, pages });
        }
        Ok(all)
    }

    /// Puts the file in its place, as [`ProvenFile::publish`] does.
    pub fn publish(self) -> Result<(), PublishError> {
        self.file.publish()
    }
}
