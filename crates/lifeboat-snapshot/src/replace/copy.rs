//! A copy of a database that others go on writing to: first all of it, while
//! they write, then what they changed, while they wait.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::digest::{GroupHash, HashKey};
use lifeboat_format::geometry::{Geometry, GroupNo};
use lifeboat_format::source::PageSink;
use lifeboat_sqlite::{Connection, FileHandle, JournalMode, WalIndexHeader};

use crate::StageError;
use crate::error::Fault;
use crate::header::Header;
use crate::image::Image;
use crate::staged::{SLICE, StagedFile, each_group, image, sync_folder};
use crate::wal_capture;

use super::ReplaceError;

/// What the database held that was set aside.
pub(super) struct OldState {
    geometry: Option<Geometry>,
    hashes: Vec<GroupHash>,
}

impl OldState {
    /// Whether the database holds exactly that; false if it cannot be told.
    pub(super) fn is_at(&self, target: &Path) -> bool {
        let key = own_key();
        let mut next = 0;
        let read = each_group(target, |geometry, _, data| {
            let known = self.hashes.get(next);
            if self.geometry != Some(geometry) || known != Some(&GroupHash::of(&key, data)) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            next += 1;
            Ok(())
        });
        match read {
            Ok(()) => self.geometry.is_some_and(|shape| shape.group_count() as usize == next),
            Err(Fault::Empty) => self.geometry.is_none(),
            Err(_) => false,
        }
    }
}

/// For hashes that only ever meet hashes made here.
fn own_key() -> HashKey {
    HashKey::from_bytes([0; 32])
}

/// A copy on its way, of a state that need not be one.
pub(super) struct Copy {
    staged: StagedFile,
    target: PathBuf,
    geometry: Option<Geometry>,
    /// What the groups hold that were copied.
    hashes: Vec<GroupHash>,
    /// The state that was copied, where it can be recognised.
    state: Option<WalIndexHeader>,
    data: Vec<u8>,
}

impl Copy {
    /// Copies the database as it is now. Writers in WAL mode go on; in rollback
    /// modes they wait for 4 MiB at a time.
    pub(super) fn begin(target: &Path, patience: Duration) -> Result<Self, ReplaceError> {
        let aside = |source| ReplaceError::Aside { path: target.to_owned(), source };
        let mut copy = Self {
            staged: StagedFile::beside(target).map_err(|e| aside(io::Error::other(e)))?,
            target: target.to_owned(),
            geometry: None,
            hashes: Vec::new(),
            state: None,
            data: Vec::new(),
        };
        let mut connection =
            Connection::open(target, patience).map_err(|source| ReplaceError::Open { source })?;
        while !copy.first_pass(&mut connection)? {}
        drop(connection);
        // Most of it is on the disk before anybody waits.
        copy.staged.sync().map_err(aside)?;
        Ok(copy)
    }

    /// Copies the next groups; true after the last.
    fn first_pass(&mut self, connection: &mut Connection) -> Result<bool, ReplaceError> {
        let target = self.target.clone();
        let failed = |fault: Fault| ReplaceError::Present(fault.failure(&target));
        let read = connection.begin_read().map_err(|e| failed(Fault::Begin(e)))?;
        let mode = read.journal_mode().map_err(|e| failed(e.into()))?;
        let image = match mode {
            // The position of the image, and no later one.
            JournalMode::Wal => {
                let position = read.wal_position().map_err(|e| failed(Fault::WalIndex(e)))?;
                self.state = Some(position.header);
                wal_capture::open(&read, &position)
            }
            JournalMode::Rollback => {
                self.state = None;
                image(&read, mode)
            }
        };
        let mut image = match image {
            Ok(image) => image,
            // Nothing was ever written to it.
            Err(Fault::Empty) => return Ok(true),
            Err(fault) => return Err(failed(fault)),
        };
        if self.geometry.is_some_and(|geometry| geometry != image.geometry()) {
            // The second pass has the rest.
            self.state = None;
            return Ok(true);
        }
        let next = if mode == JournalMode::Wal { 0 } else { self.hashes.len() as u32 };
        let all = image.geometry().group_count();
        let end = match mode {
            JournalMode::Wal => all,
            JournalMode::Rollback => all.min(next + SLICE),
        };
        self.take(&mut image, next..end)?;
        Ok(end == all)
    }

    /// Brings the copy to the state that a database in WAL mode is in now, which
    /// nobody may write to meanwhile.
    pub(super) fn finish_wal(&mut self, patience: Duration) -> Result<(), ReplaceError> {
        let target = self.target.clone();
        let failed = |fault: Fault| ReplaceError::Present(fault.failure(&target));
        let mut connection =
            Connection::open(&target, patience).map_err(|source| ReplaceError::Open { source })?;
        let read = connection.begin_read().map_err(|e| failed(Fault::Begin(e)))?;
        let position = read.wal_position().map_err(|e| failed(Fault::WalIndex(e)))?;
        // Nobody leaves WAL mode while we are attached, and every commit makes
        // another header.
        if self.state == Some(position.header) {
            return Ok(());
        }
        let mut image = wal_capture::open(&read, &position).map_err(failed)?;
        self.second_pass(&mut image)
    }

    /// Brings the copy to the state that a locked database file holds.
    pub(super) fn finish_file(&mut self, file: FileHandle<'_>) -> Result<(), ReplaceError> {
        let target = self.target.clone();
        let failed = |fault: Fault| ReplaceError::Present(fault.failure(&target));
        let size = file.size().map_err(|e| failed(e.into()))?;
        if size == 0 {
            self.geometry = None;
            return self.staged.clear().map_err(|source| self.aside(source));
        }
        let geometry = Header::read(&file).and_then(|header| header.geometry(size));
        let mut image = Image::of_file(file, geometry.map_err(failed)?).map_err(failed)?;
        self.second_pass(&mut image)
    }

    fn second_pass(&mut self, image: &mut Image<'_>) -> Result<(), ReplaceError> {
        if self.geometry.map(Geometry::block_size) != Some(image.geometry().block_size()) {
            self.hashes.clear();
        }
        self.take(image, 0..image.geometry().group_count())
    }

    /// Writes the groups that are not known to be the same.
    fn take(
        &mut self,
        image: &mut Image<'_>,
        groups: std::ops::Range<u32>,
    ) -> Result<(), ReplaceError> {
        let geometry = image.geometry();
        if self.geometry != Some(geometry) {
            self.staged.begin(geometry).map_err(|e| self.stage(e))?;
            self.geometry = Some(geometry);
        }
        let key = own_key();
        for group in groups.map(GroupNo) {
            let (first, _) = image
                .group(group, &mut self.data)
                .map_err(|fault| ReplaceError::Present(fault.failure(&self.target)))?;
            let hash = GroupHash::of(&key, &self.data);
            match self.hashes.get_mut(group.0 as usize) {
                Some(known) if *known == hash => continue,
                Some(known) => *known = hash,
                None => self.hashes.push(hash),
            }
            self.staged.blocks(first, &self.data).map_err(|e| self.stage(e))?;
        }
        Ok(())
    }

    /// Gives the copy its name, durably; it says WAL mode if the database was
    /// in it before. Returns what tells the old state from others.
    pub(super) fn name(mut self, aside: &Path, was_wal: bool) -> Result<OldState, ReplaceError> {
        let target = self.target.clone();
        let io = |source| ReplaceError::Aside { path: target.clone(), source };
        if was_wal {
            // File format, section 1.3.2: the write and read versions.
            self.staged.patch(18, &[2, 2]).map_err(io)?;
        }
        let like = std::fs::metadata(&target).map_err(io)?;
        self.staged.settle_copy(&like).and_then(|settled| settled.name(aside)).map_err(io)?;
        sync_folder(aside).map_err(io)?;
        Ok(OldState { geometry: self.geometry, hashes: self.hashes })
    }

    fn stage(&self, error: StageError) -> ReplaceError {
        match error {
            StageError::Write { source } => self.aside(source),
            other => self.aside(io::Error::other(other)),
        }
    }

    fn aside(&self, source: io::Error) -> ReplaceError {
        ReplaceError::Aside { path: self.target.clone(), source }
    }
}
