//! Reads an archive, as a stream.

use std::io::{self, Write};
use std::sync::Arc;

use crate::digest::Digest;
use crate::object::{DecodeError, ObjectKind, SEALED_HEADER_LEN, read_header};
use crate::seal::{ObjectCipher, SealHeader, TAG_LEN};

use super::{ArchiveEncoding, ArchiveHead, CHUNK_LEN, Chunks, MAX_HEAD_LEN};

/// What a sealed archive begins with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SealedBeginning {
    /// What it says of its key.
    pub seal: SealHeader,
    /// What it says of itself.
    pub head: ArchiveHead,
    /// What its chunks are bound to.
    pub digest: Digest,
    /// How many bytes it takes.
    pub len: usize,
}

/// Reads the beginning of a sealed archive; `None` if more bytes are needed.
pub fn read_head(bytes: &[u8]) -> Result<Option<SealedBeginning>, DecodeError> {
    let kind = ObjectKind::Archive;
    let Some((header, rest)) = bytes.split_at_checked(SEALED_HEADER_LEN) else {
        return Ok(None);
    };
    let seal = read_header(kind, header)?.ok_or(DecodeError::NotSealed { kind })?;
    let Some((len, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*len) as usize;
    if len > MAX_HEAD_LEN {
        return Err(DecodeError::damaged(kind, "length of the head"));
    }
    let Some((json, rest)) = rest.split_at_checked(len) else {
        return Ok(None);
    };
    let Some((digest, _)) = rest.split_first_chunk::<{ Digest::LEN }>() else {
        return Ok(None);
    };
    let before = SEALED_HEADER_LEN + 4 + len;
    if Digest::of(&bytes[..before]).as_bytes() != digest {
        return Err(DecodeError::damaged(kind, "digest of the head"));
    }
    let head = serde_json::from_slice(json)
        .map_err(|_| DecodeError::NotUnderstood { kind, what: "head" })?;
    let digest = Digest::from_bytes(*digest);
    Ok(Some(SealedBeginning { seal, head, digest, len: before + Digest::LEN }))
}

/// Takes the bytes of an archive in order, without the beginning of a sealed
/// one, and writes the database file. What it has written is proven chunk by
/// chunk; that it is all there is known only when [`finish`](Self::finish)
/// succeeds.
pub struct ArchiveDecoder<W: Write> {
    layer: Layer<W>,
    chunks: Option<Chunks>,
    pending: Vec<u8>,
}

/// The writer that notices a stream that ends early.
type Zio<W> = zstd::stream::zio::Writer<W, zstd::stream::raw::Decoder<'static>>;

enum Layer<W: Write> {
    Plain(W),
    Zstd(Zio<W>),
}

/// Why an archive cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Its bytes are wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What it gives could not be written, or it is no zstd stream.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<W: Write> ArchiveDecoder<W> {
    /// Begins to decode. `seal` is there if and only if the encoding is a
    /// sealed one: the cipher, and the digest of the beginning.
    pub fn new(
        out: W,
        encoding: ArchiveEncoding,
        seal: Option<(Arc<dyn ObjectCipher>, Digest)>,
    ) -> io::Result<Self> {
        debug_assert_eq!(encoding.is_sealed(), seal.is_some());
        let layer = if encoding.is_zstd() {
            Layer::Zstd(Zio::new(out, zstd::stream::raw::Decoder::new()?))
        } else {
            Layer::Plain(out)
        };
        let chunks = seal.map(|(cipher, head)| Chunks { cipher, head, number: 0 });
        Ok(Self { layer, chunks, pending: Vec::new() })
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        if self.chunks.is_none() {
            return Ok(self.layer.write_all(bytes)?);
        }
        while !bytes.is_empty() {
            // Another byte follows, so a full chunk is not the last.
            if self.pending.len() == CHUNK_LEN + TAG_LEN {
                self.open(false)?;
            }
            let taken = bytes.len().min(CHUNK_LEN + TAG_LEN - self.pending.len());
            self.pending.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn open(&mut self, last: bool) -> Result<(), ArchiveError> {
        if let Some(chunks) = &mut self.chunks {
            let kind = ObjectKind::Archive;
            let opened = chunks.cipher.open(chunks.part(last), &mut self.pending);
            opened.map_err(|_| DecodeError::Forged { kind })?;
            chunks.number = chunks
                .number
                .checked_add(1)
                .ok_or(DecodeError::damaged(kind, "too many chunks"))?;
        }
        self.layer.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Ends the archive, which must be whole.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        if self.chunks.is_some() {
            self.open(true)?;
        }
        match self.layer {
            Layer::Plain(out) => Ok(out),
            Layer::Zstd(mut decoder) => {
                decoder.finish()?;
                Ok(decoder.into_inner().0)
            }
        }
    }
}

impl<W: Write> Layer<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Zstd(decoder) => decoder.write_all(bytes),
        }
    }
}
