//! Buffers for the bytes of packs, used again and again.
//!
//! Packs are filled on one thread, uploaded from others, and read back from the
//! spool on yet others. An allocator keeps what each thread freed for that
//! thread; here all of them share what the busiest moment needed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lifeboat_format::pack::CHUNK_LEN;

/// Buffers of [`CHUNK_LEN`] bytes that are free. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Bytes in a buffer, which is free again when they are dropped.
struct Lent {
    bytes: Vec<u8>,
    buffers: Buffers,
}

impl Buffers {
    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        let free = self.free().pop();
        free.unwrap_or_else(|| Vec::with_capacity(CHUNK_LEN))
    }

    /// Makes a buffer bytes that many may hold.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() != CHUNK_LEN {
            return bytes.into();
        }
        Bytes::from_owner(Lent { bytes, buffers: self.clone() })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A push or a pop is whole or has not begun, whoever panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.buffers.free().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_it() {
        let buffers = Buffers::default();
        let mut first = buffers.take();
        first.extend_from_slice(b"abc");
        let place = first.as_ptr();
        let lent = buffers.lend(first);
        let part = lent.slice(1..2);
        drop(lent);
        let other = buffers.take();
        assert_ne!(other.as_ptr(), place, "somebody still reads it");
        assert_eq!(&part[..], b"b");
        drop(part);
        let again = buffers.take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        // What is not of the size would only take the place of one that is.
        drop(buffers.lend(vec![1; 10]));
        assert_eq!(buffers.take().capacity(), CHUNK_LEN);
    }
}
