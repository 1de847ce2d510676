//! A small file that says what is so now, written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A file, and the writing of it. It happens beside everything else, so that a disk
/// that hangs keeps nothing from being told.
#[derive(Debug)]
pub(super) struct Saved {
    path: Option<PathBuf>,
    /// It is written at most this often.
    apart: Duration,
    text: String,
    at: Option<Instant>,
    writing: Option<JoinHandle<()>>,
    /// The last attempt failed, and that was said.
    fails: Arc<AtomicBool>,
}

impl Saved {
    pub(super) fn new(path: Option<PathBuf>, apart: Duration) -> Self {
        let fails = Arc::default();
        Self { path, apart, text: String::new(), at: None, writing: None, fails }
    }

    pub(super) fn set_path(&mut self, path: Option<PathBuf>) {
        if path != self.path {
            *self = Self::new(path, self.apart);
        }
    }

    /// What is in the file, if it is there and can be read.
    pub(super) fn read(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("failed to read {}: {error}", path.display());
                None
            }
        }
    }

    /// Writes the text where it is another than before.
    pub(super) fn save(&mut self, text: impl FnOnce() -> Option<String>) {
        let Some(path) = &self.path else { return };
        let is_busy = self.writing.as_ref().is_some_and(|task| !task.is_finished());
        if is_busy || self.at.is_some_and(|at| at.elapsed() < self.apart) {
            return;
        }
        let Some(text) = text().filter(|text| *text != self.text) else { return };
        self.at = Some(Instant::now());
        self.text.clone_from(&text);
        let (path, fails) = (path.clone(), Arc::clone(&self.fails));
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let written = write(&path, &text);
            // Said when it begins and when it is over, not with each attempt.
            let failed_before = fails.swap(written.is_err(), Ordering::Relaxed);
            let shown = path.display();
            match written {
                Err(error) if !failed_before => {
                    tracing::warn!("failed to write {shown}: {error}; it is tried again");
                }
                Ok(()) if failed_before => tracing::warn!("{shown} is written again"),
                _ => {}
            }
        }));
    }

    /// The same at the end, and waits for it, not long.
    pub(super) async fn save_now(&mut self, text: impl FnOnce() -> Option<String>) {
        let limit = Duration::from_secs(2);
        if let Some(writing) = self.writing.take()
            && tokio::time::timeout(limit, writing).await.is_err()
        {
            return;
        }
        self.at = None;
        self.save(text);
        if let Some(writing) = self.writing.take() {
            // A disk that hangs shall not keep anybody from ending.
            let _ = tokio::time::timeout(limit, writing).await;
        }
    }
}

/// Whoever reads the file sees what was before or what is now. Killed in between, a
/// file with another name remains, which the next writes over.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // No collector reads what does not end in .prom.
    name.push(".new");
    let new = path.with_file_name(name);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}
