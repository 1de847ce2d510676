//! Journals: which packs a run has uploaded, so that one that was interrupted
//! goes on where it was.
//!
//! A journal is one file of JSON lines, locked by the process that writes it.
//! The first line says which plan the packs belong to. A journal whose lock is
//! free was left behind by a run that did not end well; its packs may be used
//! again if no record since that plan has condemned them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use lifeboat_format::id::Nonce;
use lifeboat_format::list::PackEntry;
use lifeboat_format::numbers::RecordNo;
use serde::{Deserialize, Serialize};

use super::random;
use crate::error::LocalError;

/// What packs were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The newest record when the plan was made, and its nonce.
    pub(crate) newest: Option<(RecordNo, Nonce)>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) plan: Plan,
    pub(crate) packs: Vec<PackEntry>,
    /// Held open, so that no other process takes it up as well.
    _lock: File,
    path: PathBuf,
}

impl Leftover {
    /// Takes up all journals in a directory that nobody is writing.
    pub(crate) fn all_in(dir: &Path) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
            .collect();
        paths.sort();
        paths.into_iter().filter_map(Self::take).collect()
    }

    fn take(path: PathBuf) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        let mut lines = BufReader::new(file.try_clone().ok()?).lines();
        let plan = lines.next()?.ok().and_then(|line| serde_json::from_str(&line).ok());
        let Some(plan) = plan else {
            // Killed before the first line was whole: it names no packs.
            let _ = std::fs::remove_file(&path);
            return None;
        };
        let packs =
            lines.map_while(|line| serde_json::from_str(&line.ok()?).ok()).collect::<Vec<_>>();
        Some(Self { plan, packs, _lock: file, path })
    }

    /// Forgets it; its packs have another journal now, or are of no use.
    pub(crate) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The journal of this run. Its file is made when there is a pack to note.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    plan: Plan,
    file: Option<(File, PathBuf)>,
}

impl Journal {
    /// Begins one. Its first packs are the ones that earlier runs left.
    pub(crate) fn begin(dir: &Path, plan: Plan, packs: &[PackEntry]) -> Result<Self, LocalError> {
        let mut journal = Self { dir: dir.to_owned(), plan, file: None };
        for entry in packs {
            journal.uploaded(entry)?;
        }
        Ok(journal)
    }

    /// Notes a pack that is stored.
    pub(crate) fn uploaded(&mut self, entry: &PackEntry) -> Result<(), LocalError> {
        if self.file.is_none() {
            let name = lifeboat_format::hex::encode(&random::<8>());
            let path = self.dir.join(format!("{name}.journal"));
            let file = File::create(&path).map_err(LocalError::at("write", &path))?;
            file.lock().map_err(LocalError::at("lock", &path))?;
            self.file = Some((file, path));
            self.line(&self.plan)?;
        }
        self.line(entry)
    }

    fn line(&self, value: &impl Serialize) -> Result<(), LocalError> {
        let (file, path) = self.file.as_ref().expect("made before its first line");
        let mut file: &File = file;
        let mut line = serde_json::to_vec(value).expect("numbers and texts always serialise");
        line.push(b'\n');
        file.write_all(&line).map_err(LocalError::at("write", path))
    }

    /// Ends it: its packs are referenced by a record, or of no use.
    pub(crate) fn end(self) {
        if let Some((_, path)) = self.file {
            let _ = std::fs::remove_file(path);
        }
    }
}
