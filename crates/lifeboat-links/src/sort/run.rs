//! A sorted run in a file: keys as what differs from the one before.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::Entry;
use crate::encode::put_number;

const BUFFER: usize = 64 * 1024;

/// Takes entries in order.
pub(super) struct RunWriter {
    file: BufWriter<File>,
    last: Vec<u8>,
    head: Vec<u8>,
}

impl RunWriter {
    /// In a file without a name.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(folder)?);
        Ok(Self { file, last: Vec::new(), head: Vec::new() })
    }

    pub(super) fn push(&mut self, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let shared = self.last.iter().zip(key).take_while(|(one, other)| one == other).count();
        self.head.clear();
        // One more, so that no entry begins as the end does.
        put_number(&mut self.head, shared as u64 + 1);
        put_number(&mut self.head, (key.len() - shared) as u64);
        put_number(&mut self.head, payload.len() as u64);
        self.file.write_all(&self.head)?;
        self.file.write_all(&key[shared..])?;
        self.file.write_all(payload)?;
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<RunReader> {
        // A mark at the end: a file that ends early is not one that ends.
        self.file.write_all(&[0])?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(RunReader { file: BufReader::with_capacity(BUFFER, file) })
    }
}

/// Gives them back in order.
pub(super) struct RunReader {
    file: BufReader<File>,
}

impl RunReader {
    /// Goes to the next entry; false at the end. `entry` still has the key that
    /// it was given the last time.
    pub(super) fn advance(&mut self, entry: &mut Entry) -> io::Result<bool> {
        let Some(shared) = self.number()?.checked_sub(1) else { return Ok(false) };
        let (own, payload) = (self.number()?, self.number()?);
        if shared > entry.key.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        entry.key.truncate(shared);
        entry.key.resize(shared + own, 0);
        self.file.read_exact(&mut entry.key[shared..])?;
        entry.payload.resize(payload, 0);
        self.file.read_exact(&mut entry.payload)?;
        Ok(true)
    }

    fn number(&mut self) -> io::Result<usize> {
        let (mut number, mut shift) = (0usize, 0);
        loop {
            let Some(&byte) = self.file.fill_buf()?.first() else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            self.file.consume(1);
            let bits = usize::from(byte & 0x7f).checked_shl(shift);
            number |= bits.ok_or(io::ErrorKind::InvalidData)?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }
}
