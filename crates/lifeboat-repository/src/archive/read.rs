//! Reading an archive back.

use std::io::{self, Write};

use bytes::Bytes;
use lifeboat_format::archive::{ArchiveDecoder, ArchiveError, ArchiveName, read_head};
use lifeboat_format::digest::{Digest, StreamDigester};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::key;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Content, SnapshotBody};
use lifeboat_format::seal::Home;
use lifeboat_format::source::PageSink;
use lifeboat_remote::Created;
use tokio::sync::mpsc;

use crate::error::{LocalError, ReadError, RestoreError, WriteError};
use crate::local::Scratch;
use crate::progress::{Event, Listener};
use crate::repository::Database;
use crate::restore::RestoreReport;
use crate::snapshots::Snapshot;

/// How much of an archive one request reads.
pub(crate) const READ_LEN: u64 = 4 * 1024 * 1024;
/// How many bytes a sink is handed at once.
const RUN_LEN: usize = 256 * 1024;

impl Database {
    /// Hands all blocks of an archive's image to a sink, in order.
    pub(crate) async fn restore_archive<S: PageSink + 'static>(
        &self,
        body: &SnapshotBody,
        sink: S,
        listener: &Listener,
    ) -> Result<(S, RestoreReport), RestoreError<S::Error>> {
        let Content::File { archive, size, digest, .. } = &body.content else {
            unreachable!("only called for archives");
        };
        let geometry = body.geometry().expect("a record is refused without one");
        listener.tell(Event::Restoring { bytes: geometry.file_size() });
        let key = self.keys.at(&key::archive(archive));
        let (sender, receiver) = mpsc::channel(1);
        let job = Job {
            database: self.clone(),
            name: archive.clone(),
            key: key.clone(),
            digest: *digest,
            geometry,
            listener: listener.clone(),
        };
        let writer = tokio::task::spawn_blocking(move || job.write(sink, receiver));
        let fetched = self.fetch_archive(&key, *size, sender).await;
        let written = match writer.await {
            Ok(written) => written,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        fetched?;
        let report = RestoreReport { geometry, bytes_fetched: *size, packs: 0, blocks_kept: 0 };
        Ok((written?, report))
    }

    /// Fetches an archive in order. Ends early, and well, when nobody takes it.
    pub(crate) async fn fetch_archive(
        &self,
        key: &str,
        size: u64,
        sender: mpsc::Sender<Bytes>,
    ) -> Result<(), ReadError> {
        let kind = ObjectKind::Archive;
        let mut at = 0;
        while at < size {
            let end = size.min(at + READ_LEN);
            let bytes = self.remote().get_range(key, at..end).await?;
            let bytes = bytes.ok_or_else(|| ReadError::Missing { kind, key: key.to_owned() })?;
            if (bytes.len() as u64) < end - at {
                let len = at + bytes.len() as u64;
                return Err(ReadError::unusable(key)(DecodeError::Truncated { kind, len }));
            }
            at = end;
            if sender.send(bytes).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Database {
    /// Puts the archive of a snapshot of another destination here, byte for
    /// byte, through a local file.
    pub(crate) async fn fetch_and_put_archive(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        relative: &str,
    ) -> Result<(), WriteError> {
        let Content::File { size, digest, .. } = &snapshot.body().content else {
            unreachable!("only called for archives");
        };
        let scratch = Scratch::new(&self.cache_folder()?)?;
        let path = scratch.path().join("archive");
        let from = source.keys.at(relative);
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let file = path.clone();
        let writer = tokio::task::spawn_blocking(move || -> io::Result<Digest> {
            let mut out = std::fs::File::create(file)?;
            let mut digester = StreamDigester::default();
            while let Some(bytes) = receiver.blocking_recv() {
                digester.update(&bytes);
                out.write_all(&bytes)?;
            }
            Ok(digester.finish())
        });
        let fetched = source.fetch_archive(&from, *size, sender).await;
        let written = match writer.await {
            Ok(written) => written.map_err(LocalError::at("write", &path))?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        fetched?;
        if written != *digest {
            let (kind, what) = (ObjectKind::Archive, "digest of the archive");
            return Err(ReadError::unusable(from)(DecodeError::Damaged { kind, what }).into());
        }
        let to = self.keys.at(relative);
        // Its name was drawn at random, and its bytes are what the record says:
        // if it is there, an earlier copy was interrupted.
        let _: Created = self.remote().create_from_file(&to, &path, super::CONTENT_TYPE).await?;
        Ok(())
    }
}

/// What the thread that decodes needs.
struct Job {
    database: Database,
    name: ArchiveName,
    key: String,
    digest: Digest,
    geometry: Geometry,
    listener: Listener,
}

impl Job {
    fn write<S: PageSink>(
        self,
        mut sink: S,
        mut fetched: mpsc::Receiver<Bytes>,
    ) -> Result<S, RestoreError<S::Error>> {
        sink.begin(self.geometry).map_err(RestoreError::Sink)?;
        let encoding = self.name.encoding();
        let mut hasher = StreamDigester::default();
        let mut blocks = Some(Blocks::new(sink, self.geometry, self.listener.clone()));
        let mut begin = |seal| {
            let out = blocks.take().expect("an archive begins once");
            ArchiveDecoder::new(out, encoding, seal).map_err(|error| self.explain(error.into()))
        };
        let mut decoder = if encoding.is_sealed() { None } else { Some(begin(None)?) };
        // The beginning of a sealed archive, until it is whole.
        let mut early: Vec<u8> = Vec::new();
        while let Some(bytes) = fetched.blocking_recv() {
            hasher.update(&bytes);
            if let Some(decoder) = &mut decoder {
                decoder.push(&bytes).map_err(|error| self.explain(error))?;
                continue;
            }
            early.extend_from_slice(&bytes);
            let Some(beginning) = read_head(&early).map_err(ReadError::unusable(&*self.key))?
            else {
                continue;
            };
            let home: Home<'_> = self.database.home();
            let cipher = home
                .opener(ObjectKind::Archive, self.name.as_str().as_bytes(), Some(&beginning.seal))
                .map_err(ReadError::unusable(&*self.key))?;
            let decoder = decoder.insert(begin(cipher.map(|cipher| (cipher, beginning.digest)))?);
            decoder.push(&early[beginning.len..]).map_err(|error| self.explain(error))?;
            early = Vec::new();
        }
        let Some(decoder) = decoder else {
            return Err(self.damaged("head").into());
        };
        if hasher.finish() != self.digest {
            return Err(self.damaged("digest of the archive").into());
        }
        let blocks = decoder.finish().map_err(|error| self.explain(error))?;
        match blocks.finish() {
            Ok(sink) => Ok(sink),
            Err(Trouble::Sink(error)) => Err(RestoreError::Sink(error)),
            Err(Trouble::Length) => Err(self.damaged("length of the database").into()),
        }
    }

    fn damaged(&self, what: &'static str) -> ReadError {
        ReadError::unusable(&*self.key)(DecodeError::Damaged { kind: ObjectKind::Archive, what })
    }

    fn explain<E: std::error::Error + Send + Sync + 'static>(
        &self,
        error: ArchiveError,
    ) -> RestoreError<E> {
        match error {
            ArchiveError::Decode(error) => ReadError::unusable(&*self.key)(error).into(),
            ArchiveError::Io(error) => match error.downcast::<Trouble<E>>() {
                Ok(Trouble::Sink(error)) => RestoreError::Sink(error),
                Ok(Trouble::Length) => self.damaged("length of the database").into(),
                Err(_) => self.damaged("compressed stream").into(),
            },
            _ => self.damaged("content").into(),
        }
    }
}

/// Why the decoder could not hand its output on.
#[derive(Debug, thiserror::Error)]
enum Trouble<E: std::error::Error> {
    #[error(transparent)]
    Sink(E),
    #[error("more bytes than the database has")]
    Length,
}

/// Cuts a stream of bytes into runs of blocks.
struct Blocks<S: PageSink> {
    sink: S,
    geometry: Geometry,
    listener: Listener,
    next: u32,
    pending: Vec<u8>,
}

impl<S: PageSink> Blocks<S> {
    fn new(sink: S, geometry: Geometry, listener: Listener) -> Self {
        Self { sink, geometry, listener, next: 0, pending: Vec::with_capacity(RUN_LEN) }
    }

    fn hand_on(&mut self) -> Result<(), Trouble<S::Error>> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let blocks = (self.pending.len() / self.geometry.block_size() as usize) as u32;
        if u64::from(self.next) + u64::from(blocks) > u64::from(self.geometry.block_count()) {
            return Err(Trouble::Length);
        }
        self.sink.blocks(BlockNo(self.next), &self.pending).map_err(Trouble::Sink)?;
        self.listener.tell(Event::Restored { bytes: self.pending.len() as u64 });
        self.next += blocks;
        self.pending.clear();
        Ok(())
    }

    /// Ends the stream, which must have been the whole database.
    fn finish(mut self) -> Result<S, Trouble<S::Error>> {
        let size = self.geometry.block_size() as usize;
        let block_size = u64::from(self.geometry.block_size());
        let given = u64::from(self.next) * block_size + self.pending.len() as u64;
        if given != self.geometry.file_size() {
            return Err(Trouble::Length);
        }
        let padded = self.pending.len().next_multiple_of(size);
        self.pending.resize(padded, 0);
        self.hand_on()?;
        Ok(self.sink)
    }
}

impl<S: PageSink> Write for Blocks<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(RUN_LEN - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if self.pending.len() == RUN_LEN {
            self.hand_on().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
