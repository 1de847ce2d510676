//! The mapped beginning of a wal-index, which other processes write to.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::ffi;

/// A view of the words of a wal-index, in the byte order of this machine.
pub(crate) struct Shm<'c> {
    words: NonNull<AtomicU32>,
    file: NonNull<ffi::sqlite3_file>,
    barrier: unsafe extern "C" fn(*mut ffi::sqlite3_file),
    connection: PhantomData<&'c super::Db>,
}

impl Shm<'_> {
    /// The words that are mapped.
    const WORDS: usize = 32_768 / 4;

    /// # Safety
    ///
    /// `words` are 32 KiB, aligned to four bytes, mapped for the lifetime;
    /// `file` is the open file whose method `barrier` is.
    pub(super) unsafe fn new(
        words: NonNull<AtomicU32>,
        file: NonNull<ffi::sqlite3_file>,
        barrier: unsafe extern "C" fn(*mut ffi::sqlite3_file),
    ) -> Self {
        Self { words, file, barrier, connection: PhantomData }
    }

    /// One word, by its index.
    pub(crate) fn word(&self, index: usize) -> u32 {
        assert!(index < Self::WORDS, "the wal-index header is short");
        // SAFETY: within the mapping; others write at any time, so the access
        // is atomic.
        unsafe { self.words.add(index).as_ref() }.load(Ordering::Relaxed)
    }

    /// Keeps reads before it before reads after it, as SQLite does between the
    /// two copies of the header.
    pub(crate) fn barrier(&self) {
        // SAFETY: the file is open.
        unsafe { (self.barrier)(self.file.as_ptr()) };
    }
}
