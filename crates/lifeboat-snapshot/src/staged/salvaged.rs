//! A staged file with holes: not the image, but all of it that could be proven.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use lifeboat_format::geometry::{BlockNo, Geometry, PageSize};
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
    /// The table or index; `None` for pages of which that cannot be told,
    /// because they hung on pages that are lost too, or were free.
    pub owner: Option<String>,
    /// The table that it belongs to.
    pub table: Option<String>,
    /// Where the owner cannot be told: the tables and indexes that it may be.
    pub candidates: Vec<String>,
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
        // What may have more pages than can be reached.
        let mut broken = Vec::new();
        // Without a schema nothing has an owner.
        for object in database.schema_objects().unwrap_or_default() {
            let mut pages = Vec::new();
            // A table that cannot be walked to its end names those up to there.
            let walked = database.each_page_of(&object.name, |page| {
                if left.remove(&page) {
                    pages.push(page);
                }
            });
            if walked.is_err() || !pages.is_empty() {
                broken.push((object.name.clone(), object.table.clone()));
            }
            if !pages.is_empty() {
                pages.sort_unstable();
                let (owner, table) = (Some(object.name), Some(object.table));
                all.push(LostPages { owner, table, candidates: Vec::new(), pages });
            }
        }
        let free = FreePages::read(self.path());
        left.retain(|page| !free.pages.contains(page));
        if !left.is_empty() {
            // A page that is in use and cannot be reached hangs on a lost one.
            let certain = free.complete && broken.len() == 1;
            match all.iter_mut().find(|_| certain) {
                Some(only) => {
                    only.pages.extend(left);
                    only.pages.sort_unstable();
                }
                None => all.push(LostPages {
                    owner: None,
                    table: None,
                    candidates: broken.into_iter().map(|(name, _)| name).collect(),
                    pages: left.into_iter().collect(),
                }),
            }
        }
        all.sort_by_key(|lost| (lost.owner.is_none(), std::cmp::Reverse(lost.pages.len())));
        Ok(all)
    }

    /// Puts the file in its place, as [`ProvenFile::publish`] does.
    pub fn publish(self) -> Result<(), PublishError> {
        self.file.publish()
    }
}

/// The free pages of a database (file format, section 1.5): nothing is lost
/// with them.
struct FreePages {
    pages: BTreeSet<u32>,
    /// Whether all of them are known, and no pages administer others.
    complete: bool,
}

impl FreePages {
    fn read(path: &Path) -> Self {
        let mut free = Self { pages: BTreeSet::new(), complete: false };
        // A list that cannot be read is not complete.
        free.complete = free.walk(path).unwrap_or(false);
        free
    }

    fn walk(&mut self, path: &Path) -> io::Result<bool> {
        // The file is nobody else's, and carries no locks.
        let mut file = File::open(path)?;
        let mut header = [0; 100];
        file.read_exact(&mut header)?;
        let word = |bytes: &[u8], at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_be_bytes(word)
        };
        let Some(size) = PageSize::from_header([header[16], header[17]]) else {
            return Ok(false);
        };
        let size = size.bytes();
        let (mut trunk, count) = (word(&header, 32), word(&header, 36));
        let mut page = vec![0; size as usize];
        // A trunk that comes twice ends the walk.
        while trunk != 0 && self.pages.insert(trunk) {
            file.seek(SeekFrom::Start(u64::from(trunk - 1) * u64::from(size)))?;
            file.read_exact(&mut page)?;
            let leaves = (word(&page, 4) as usize).min(size as usize / 4 - 2);
            self.pages.extend((0..leaves).map(|at| word(&page, 8 + at * 4)));
            trunk = word(&page, 0);
        }
        let vacuums_itself = word(&header, 52) != 0;
        Ok(self.pages.len() as u64 == u64::from(count) && !vacuums_itself)
    }
}
