//! Who did what: the last of it in memory, all of it in a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{AuditEntry, AuditList};

/// How many entries are kept in memory.
const REMEMBERED: usize = 1000;

/// At this size the file is set aside; the one set aside before goes.
const FILE_LEN: u64 = 4 << 20;

/// The log. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<AuditEntry>,
    path: Option<PathBuf>,
    file: Option<File>,
    len: u64,
}

impl Audit {
    /// In memory alone.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Also in a file, a JSON object a line; what it held last is read. At 4 MiB
    /// it is set aside under the same name with `.1`.
    pub fn in_file(path: &Path) -> std::io::Result<Self> {
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let len = file.metadata()?.len();
        // A line that was cut off by a crash is passed over.
        let text = std::fs::read(path)?;
        let lines = text.split(|byte| *byte == b'\n');
        let all: Vec<AuditEntry> =
            lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let surplus = all.len().saturating_sub(REMEMBERED);
        let entries = all.into_iter().skip(surplus).collect();
        let inner = Inner { entries, path: Some(path.to_owned()), file: Some(file), len };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry. A file that cannot be written is said in the log, and stops
    /// nothing.
    pub(crate) fn add(&self, entry: AuditEntry) {
        let AuditEntry { by, action, outcome, .. } = &entry;
        let (database, snapshot) = (entry.database.as_deref(), entry.snapshot_id.as_deref());
        tracing::info!(target: "lifeboat::audit", by, action, database, snapshot, outcome);
        let mut inner = self.lock();
        if let Err(error) = inner.write(&entry) {
            tracing::warn!(%error, "the audit log cannot be written");
        }
        inner.entries.push_back(entry);
        if inner.entries.len() > REMEMBERED {
            inner.entries.pop_front();
        }
    }

    /// The last entries, the newest first.
    pub(crate) fn last(&self, limit: usize) -> AuditList {
        let inner = self.lock();
        AuditList { entries: inner.entries.iter().rev().take(limit).cloned().collect() }
    }
}

impl Inner {
    fn write(&mut self, entry: &AuditEntry) -> std::io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        if self.len > FILE_LEN {
            let mut aside = path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&path, aside)?;
            let mut options = File::options();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            self.file = Some(options.open(&path)?);
            self.len = 0;
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(&line)?;
        self.len += line.len() as u64;
        Ok(())
    }
}
