//! Reading one object whole, and proving everything in it.

use bytes::Bytes;
use lifeboat_format::digest::{BlockHash, Digest, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::list::PackEntry;
use lifeboat_format::object::DecodeError;
use lifeboat_format::pack::{MAX_PACK_LEN, PackIndex};
use lifeboat_format::source::PageSink;

use super::{Data, Datum, words};
use crate::error::{ReadError, RestoreError};
use crate::images::HashFiles;
use crate::progress::{Event, Listener};
use crate::repository::Database;

/// An attachment that is read whole into memory is not larger than this.
pub(crate) const MAX_ATTACHMENT_LEN: u64 = 64 * 1024 * 1024;

/// What was read, and what is wrong with it.
type Read = (u64, Option<String>);

impl Database {
    /// Reads an object. What is wrong with it is no error.
    pub(crate) async fn read_object(
        &self,
        relative: &str,
        datum: &Datum,
        files: &HashFiles,
        listener: &Listener,
    ) -> Result<Read, ReadError> {
        let key = self.keys.at(relative);
        let size = datum.data.size().unwrap_or_default();
        let read = match &datum.data {
            Data::Pack(entry) => self.read_pack(entry, &key, files).await?,
            Data::Archive { snapshot, .. } => self.read_archive(*snapshot, size).await?,
            Data::Attachment { digest, .. } => self.read_attachment(&key, size, digest).await?,
            // Read and proven when the snapshots were looked through.
            Data::List(_) => (0, None),
        };
        listener.tell(Event::Checked { bytes: read.0 });
        Ok(read)
    }

    async fn read_pack(
        &self,
        entry: &PackEntry,
        key: &str,
        files: &HashFiles,
    ) -> Result<Read, ReadError> {
        let limit = u64::from(entry.size).min(MAX_PACK_LEN);
        let object = match self.remote().get(key, limit).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok((0, Some("is missing".into()))),
            Err(error) if error.what == lifeboat_remote::Failure::TooLarge => {
                return Ok((0, Some(format!("has more than {limit} bytes"))));
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = object.len() as u64;
        let (database, entry) = (self.clone(), *entry);
        let work = tokio::task::spawn_blocking(move || database.prove_pack(&object, &entry));
        match joined(work.await) {
            Ok(hashes) => {
                files.keep(&entry, &hashes)?;
                Ok((bytes, None))
            }
            Err(error) => Ok((bytes, Some(error.to_string()))),
        }
    }

    /// Proves header, index, every frame, and that every block has the hash that
    /// the pack says.
    pub(crate) fn prove_pack(
        &self,
        object: &Bytes,
        entry: &PackEntry,
    ) -> Result<Vec<(BlockNo, BlockHash)>, DecodeError> {
        use lifeboat_format::object::ObjectKind::Pack;
        if object.len() as u64 != u64::from(entry.size) {
            return Err(DecodeError::Truncated { kind: Pack, len: object.len() as u64 });
        }
        let index = PackIndex::decode(object, entry, &self.home())?;
        index.check_header(object)?;
        let range = index.trailer().hashes_range();
        let hashes = index.decode_hashes(&object[range.start as usize..range.end as usize])?;
        let key = self.repository.hash_key();
        let size = index.block_size() as usize;
        let mut blocks = Vec::new();
        let mut expected = hashes.iter();
        for (number, frame) in index.frames().iter().enumerate() {
            let at = frame.offset as usize;
            let stored = &object[at..at + frame.stored_len as usize];
            index.decode_frame(number, stored, &mut blocks)?;
            for block in blocks.chunks_exact(size) {
                if expected.next() != Some(&BlockHash::of(key, block)) {
                    return Err(DecodeError::Damaged { kind: Pack, what: "hash of a block" });
                }
            }
        }
        Ok(index.blocks().zip(hashes).collect())
    }

    async fn read_archive(
        &self,
        snapshot: lifeboat_format::numbers::RecordNo,
        size: u64,
    ) -> Result<Read, ReadError> {
        let record = self.record(snapshot).await?;
        let body = record.body.as_ref().expect("an archive is needed by a snapshot");
        let sink = ImageSink::new(self.repository.hash_key().clone());
        let listener = Listener::default();
        match self.restore_archive(body, sink, &listener).await {
            Ok((sink, _)) if sink.finish() == body.image_digest => Ok((size, None)),
            Ok(_) => Ok((size, Some("holds another image than its record says".into()))),
            Err(RestoreError::Read(error)) if error.is_damage() => Ok((size, Some(words(&error)))),
            Err(RestoreError::Read(error)) => Err(error),
            Err(error) => Ok((size, Some(error.to_string()))),
        }
    }

    async fn read_attachment(
        &self,
        key: &str,
        size: u64,
        digest: &Digest,
    ) -> Result<Read, ReadError> {
        let object = self.remote().get(key, size.min(MAX_ATTACHMENT_LEN)).await?;
        Ok(match object {
            None => (0, Some("is missing".into())),
            Some(object) if Digest::of(&object) != *digest => {
                (object.len() as u64, Some("attachment damaged: digest".into()))
            }
            Some(object) => (object.len() as u64, None),
        })
    }
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    match result {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Takes the blocks of an archive, which come in order, and keeps their digest.
struct ImageSink {
    key: HashKey,
    geometry: Option<Geometry>,
    digester: ImageDigester,
}

impl ImageSink {
    fn new(key: HashKey) -> Self {
        Self { key, geometry: None, digester: ImageDigester::default() }
    }

    fn finish(&self) -> Digest {
        self.digester.finish()
    }
}

impl PageSink for ImageSink {
    type Error = std::convert::Infallible;

    fn begin(&mut self, geometry: Geometry) -> Result<(), Self::Error> {
        // Whoever begins anew hands everything over once more.
        (self.geometry, self.digester) = (Some(geometry), ImageDigester::default());
        Ok(())
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> Result<(), Self::Error> {
        let Some(geometry) = self.geometry else { return Ok(()) };
        let mut masked = data.to_vec();
        geometry.mask(first, &mut masked);
        let blocks = masked.chunks_exact(geometry.block_size() as usize);
        for (block, bytes) in (first.0..).map(BlockNo).zip(blocks) {
            let absent = geometry.absent_block() == Some(block);
            self.digester.push(if absent {
                BlockHash::ABSENT
            } else {
                BlockHash::of(&self.key, bytes)
            });
        }
        Ok(())
    }
}
