//! Writes an archive, as a stream.

use std::io::{self, Write};
use std::sync::Arc;

use crate::digest::Digest;
use crate::object::{ObjectKind, header};
use crate::seal::ObjectCipher;

use super::{ArchiveEncoding, ArchiveHead, CHUNK_LEN, Chunks};

/// An archive that was written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedArchive {
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}

/// Takes the bytes of a database file in order, and writes an archive.
pub struct ArchiveEncoder<W: Write> {
    layer: Layer<W>,
}

enum Layer<W: Write> {
    Plain(Outer<W>),
    Zstd(zstd::stream::write::Encoder<'static, Outer<W>>),
}

impl<W: Write> ArchiveEncoder<W> {
    /// Begins an archive. `seal` is there if and only if the encoding is a
    /// sealed one.
    pub fn new(
        out: W,
        encoding: ArchiveEncoding,
        level: i32,
        seal: Option<(Arc<dyn ObjectCipher>, &ArchiveHead)>,
    ) -> io::Result<Self> {
        debug_assert_eq!(encoding.is_sealed(), seal.is_some());
        let mut out = Hashed { out, hasher: blake3::Hasher::new(), size: 0 };
        let chunks = match seal {
            None => None,
            Some((cipher, head)) => {
                let json = serde_json::to_vec(head)?;
                out.write_all(&header(ObjectKind::Archive, Some(&*cipher)))?;
                out.write_all(&(json.len() as u32).to_le_bytes())?;
                out.write_all(&json)?;
                let head = Digest::from_bytes(*out.hasher.finalize().as_bytes());
                out.write_all(head.as_bytes())?;
                Some(Chunks { cipher, head, number: 0 })
            }
        };
        let outer = Outer { out, chunks, pending: Vec::new() };
        let layer = if encoding.is_zstd() {
            Layer::Zstd(zstd::stream::write::Encoder::new(outer, level)?)
        } else {
            Layer::Plain(outer)
        };
        Ok(Self { layer })
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<(W, FinishedArchive)> {
        let outer = match self.layer {
            Layer::Plain(outer) => outer,
            Layer::Zstd(encoder) => encoder.finish()?,
        };
        let Hashed { mut out, hasher, size } = outer.finish()?;
        out.flush()?;
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        Ok((out, FinishedArchive { size, digest }))
    }
}

impl<W: Write> Write for ArchiveEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.layer {
            Layer::Plain(outer) => outer.write(bytes),
            Layer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Seals chunks, where there is something to seal them with.
struct Outer<W: Write> {
    out: Hashed<W>,
    chunks: Option<Chunks>,
    pending: Vec<u8>,
}

impl<W: Write> Outer<W> {
    fn seal(&mut self, last: bool) -> io::Result<()> {
        if let Some(chunks) = &mut self.chunks {
            chunks.cipher.seal(chunks.part(last), &mut self.pending);
            chunks.number = chunks
                .number
                .checked_add(1)
                .ok_or_else(|| io::Error::other("an archive has at most 2^32 chunks"))?;
        }
        self.out.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Hashed<W>> {
        if self.chunks.is_some() {
            self.seal(true)?;
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for Outer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunks.is_none() {
            return self.out.write(bytes);
        }
        // A full chunk waits until it is known not to be the last.
        if self.pending.len() == CHUNK_LEN {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_LEN - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hashed<W> {
    out: W,
    hasher: blake3::Hasher,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
