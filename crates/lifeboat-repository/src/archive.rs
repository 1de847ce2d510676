//! Snapshots that are one file each: taking them, and reading them back.

mod read;
mod sink;
mod slots;

pub(crate) use read::READ_LEN;

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use lifeboat_crypto::{ObjectContext, Secret, Slot};
use lifeboat_format::archive::{
    ArchiveEncoder, ArchiveEncoding, ArchiveHead, ArchiveName, FinishedArchive, SealedBeginning,
};
use lifeboat_format::digest::HashKey;
use lifeboat_format::hex;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Content, Latest, LogPlace, RecordKind, body_text};
use lifeboat_format::seal::ObjectCipher;
use lifeboat_format::source::{CaptureError, CapturedImage, PageSource};
use lifeboat_remote::Created;

use crate::backup::{Backup, BackupOptions, BackupReport, MAX_TRIES, is_overtaken};
use crate::error::{BackupError, LocalError, ReadError, WriteError};
use crate::keys::seal_archive;
use crate::local::{Scratch, random};
use crate::log::{Committed, Draft, Head};
use crate::ownership::Ownership;
use crate::progress::{Event, Listener};
use crate::repository::Database;
pub(crate) use sink::NothingKnown;
use sink::{FileSink, Written};

/// What a store is told that a database file is.
pub(crate) const CONTENT_TYPE: &str = "application/x-sqlite3";

/// An archive that was written to a local file, and the image in it.
pub(crate) struct Captured {
    image: CapturedImage,
    written: Written,
    finished: FinishedArchive,
    place: Option<LogPlace>,
}

impl Database {
    /// Takes a snapshot that is one file: plain in a plain repository, so that
    /// `sqlite3` opens it as it is; compressed and sealed in a sealed one. It is
    /// taken even if nothing changed.
    ///
    /// The file is made in the cache directory first, because the database is
    /// read no longer than reading it takes. Cancelled or killed, it leaves at
    /// most an archive that no record names.
    pub async fn archive<S: PageSource + 'static>(
        &self,
        mut source: S,
        options: BackupOptions,
    ) -> Result<Backup<S>, BackupError<S::Error>> {
        let listener = Listener(options.progress.clone());
        let mut head = self.head(options.expect).await?;
        let damaged_records = head.burnt.clone();
        self.check_origin(&head, &options).await?;
        let adopted_from = self.own(&mut head, &options.ownership).await?;
        let scratch = Scratch::new(&self.cache_folder()?)?;
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                self.advance(&mut head).await?;
                self.own(&mut head, &Ownership::Refuse).await?;
            }
            let encoding = if self.repository.is_sealed() {
                ArchiveEncoding::ZstdSealed
            } else {
                ArchiveEncoding::Plain
            };
            let name = ArchiveName::new(&self.name, self.local().now(), random(), encoding);
            let path = scratch.path().join("archive");
            let (back, captured) = self.capture_file(source, &name, &path, &options).await?;
            source = back;
            let key = self.keys.at(&key::archive(&name));
            let created = self.remote().create_from_file(&key, &path, CONTENT_TYPE).await;
            if created.map_err(ReadError::from)? == Created::Exists {
                let kind = ObjectKind::Archive;
                let error = DecodeError::Misplaced { kind, place: "upload" };
                return Err(ReadError::unusable(key)(error).into());
            }
            listener.tell(Event::Sent { bytes: captured.finished.size });
            let report = self.commit_archive(&captured, &name, &mut head, &options).await?;
            if let Some(mut report) = report {
                report.damaged_records = damaged_records;
                report.adopted_from = adopted_from.map(|owner| owner.to_string());
                return Ok(Backup { source, report });
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES }.into())
    }

    /// Writes the archive to a local file, off the async threads.
    pub(crate) async fn capture_file<S: PageSource + 'static>(
        &self,
        source: S,
        name: &ArchiveName,
        path: &std::path::Path,
        options: &BackupOptions,
    ) -> Result<(S, Captured), BackupError<S::Error>> {
        let seal = self.archive_seal(name).await?;
        let encoding = name.encoding();
        let follower = options.follower();
        let (path, level) = (path.to_owned(), options.level);
        let listener = Listener(options.progress.clone());
        let key: HashKey = self.repository.hash_key().clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut source = source;
            let io = |error| BackupError::from(LocalError::at("write the archive", &path)(error));
            let file = BufWriter::new(File::create(&path).map_err(io)?);
            let seal = seal.as_ref().map(|(cipher, head)| (Arc::clone(cipher), head));
            let encoder = ArchiveEncoder::new(file, encoding, level, seal).map_err(io)?;
            let mut sink = FileSink::new(encoder, listener);
            let place = follower.map(|follower| follower.begin());
            let image = match source.capture(&key, &mut sink::NothingKnown, &mut sink) {
                Ok(image) => image,
                Err(CaptureError::Source(error)) => return Err(BackupError::Source(error)),
                Err(CaptureError::Stopped) => {
                    return Err(sink.into_fault().map_or(BackupError::Cancelled, io));
                }
            };
            let place = place.map(|place| place());
            let (encoder, written) = sink.finish();
            let (_, finished) = encoder.finish().map_err(io)?;
            Ok((source, Captured { image, written, finished, place }))
        });
        match work.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// What seals an archive of this name, in a sealed repository.
    async fn archive_seal(
        &self,
        name: &ArchiveName,
    ) -> Result<Option<(Arc<dyn ObjectCipher>, ArchiveHead)>, ReadError> {
        let home = self.home();
        let Some(cipher) = home.sealer(ObjectKind::Archive, name.as_str().as_bytes()) else {
            return Ok(None);
        };
        let head = ArchiveHead {
            repository: home.repository,
            database: self.name.clone(),
            name: name.clone(),
            slots: slots::collect(self).await?,
        };
        Ok(Some((cipher, head)))
    }

    /// Commits the record of an archive that is stored. `None` means that
    /// another took a newer image meanwhile.
    async fn commit_archive(
        &self,
        captured: &Captured,
        name: &ArchiveName,
        head: &mut Head,
        options: &BackupOptions,
    ) -> Result<Option<BackupReport>, WriteError> {
        let Captured { image, written, finished, place } = captured;
        let mut body = crate::backup::describe(image, options);
        body.page_size = written.geometry.page_size().bytes();
        body.page_count = written.geometry.page_count();
        body.image_digest = written.digest;
        body.content = Content::File {
            archive: name.clone(),
            size: finished.size,
            encoding: name.encoding(),
            digest: finished.digest,
        };
        body.statistics.pages_changed = u64::from(body.page_count);
        let attached = self.attach(head, options.attach.as_deref()).await?;
        body.statistics.bytes_sent = finished.size + attached.bytes_sent;
        body.log = *place;
        let follower = options.follower();
        for _ in 0..MAX_TRIES {
            if let Some(follower) = &follower {
                self.end_other_epoch(head, follower).await?;
            }
            let mut state = head.state();
            let number = head.next();
            if let Some(follower) = &follower {
                follower.open(&mut state, number);
            }
            body.generation = self.next_generation(&state)?;
            state.generation = body.generation;
            state.owner = Some(self.local().installation()?.clone());
            state.alive.insert(number);
            state.latest = Some(Latest { number, generation: body.generation });
            let text = body_text(&body);
            let mut draft = Draft::new(RecordKind::Snapshot, state);
            draft.body = Some(&text);
            draft.attachments = attached.files;
            match self.commit(head, draft).await? {
                Committed::Done(record) => {
                    let mut report = BackupReport::of_new(&body, record.number(), written.geometry);
                    report.objects_written = 2 + attached.objects;
                    report.attachments = attached.files;
                    report.bytes_sent += record.object_len() as u64;
                    report.archive = Some(name.to_string());
                    return Ok(Some(report));
                }
                Committed::Lost => {
                    let news = self.advance(head).await?;
                    self.own(head, &Ownership::Refuse).await?;
                    let relative = key::archive(name);
                    let condemned =
                        news.iter().any(|record| record.envelope.condemned.contains(&relative));
                    let all = news.iter().flat_map(|record| &record.envelope.condemned);
                    let may_be = attached.may_be_committed(&head.state(), all);
                    if condemned || !may_be || is_overtaken(&news, image.taken_at) {
                        return Ok(None);
                    }
                }
            }
        }
        Err(WriteError::Contention { tries: MAX_TRIES })
    }

    /// The snapshot's archive, where it is one.
    pub(crate) fn archive_of(body: &lifeboat_format::record::SnapshotBody) -> Option<&ArchiveName> {
        match &body.content {
            Content::File { archive, .. } => Some(archive),
            Content::Pages { .. } => None,
        }
    }
}

/// Seals a database file as an archive of its own, outside of any store: for
/// exports. The id of the snapshot says what it is of.
pub struct ArchiveSeal {
    cipher: Arc<dyn ObjectCipher>,
    head: ArchiveHead,
}

impl ArchiveSeal {
    /// What seals the chunks, and the head of the file.
    pub fn parts(&self) -> (Arc<dyn ObjectCipher>, &ArchiveHead) {
        (Arc::clone(&self.cipher), &self.head)
    }
}

impl std::fmt::Debug for ArchiveSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveSeal").field("name", &self.head.name).finish_non_exhaustive()
    }
}

impl Database {
    /// What an export of a snapshot is sealed with; none in a plain repository.
    pub async fn export_seal(&self, id: &SnapshotId) -> Result<Option<ArchiveSeal>, ReadError> {
        let (_, random_part) = id.as_str().split_once('-').expect("an id has two parts");
        let random_part =
            hex::decode(random_part).expect("the second part of an id is hexadecimal");
        let now = self.local().now();
        let name = ArchiveName::new(&self.name, now, random_part, ArchiveEncoding::ZstdSealed);
        let seal = self.archive_seal(&name).await?;
        Ok(seal.map(|(cipher, head)| ArchiveSeal { cipher, head }))
    }
}

/// Opens the beginning of a sealed archive with a key or passphrase and nothing
/// else: the slots stand in the file.
pub fn open_archive(
    beginning: &SealedBeginning,
    secret: &Secret,
) -> Result<Arc<dyn ObjectCipher>, DecodeError> {
    let kind = ObjectKind::Archive;
    let wanted = beginning.seal.key_id();
    let unknown = DecodeError::UnknownKey { kind, key: hex::encode(&wanted) };
    let head = &beginning.head;
    let repository = *head.repository.as_bytes();
    let slots: Vec<([u8; 16], Slot)> = head
        .slots
        .iter()
        .filter_map(|slot| {
            let id = hex::decode::<16>(&slot.data_key)?;
            Some((id, serde_json::from_value(slot.slot.clone()).ok()?))
        })
        .collect();
    let key = slots::open(&slots, secret, repository, wanted).ok_or(unknown)?;
    let context = ObjectContext {
        repository,
        database: head.database.as_str(),
        role: kind.letter(),
        object: head.name.as_str().as_bytes(),
    };
    seal_archive(&key, &context, &beginning.seal)
        .ok_or(DecodeError::Misplaced { kind, place: "archive" })
}
