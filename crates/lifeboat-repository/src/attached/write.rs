//! Putting the files of a snapshot, and the lists that name them.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use lifeboat_format::attached::{
    self, AttachedFile, AttachedIndex, AttachedList, AttachedPart, Attachments, PART_LEN,
};
use lifeboat_format::digest::{Digest, StreamDigester};
use lifeboat_format::id::{AttachedId, Suffix};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_remote::Created;

use super::{Attached, AttachedFiles};
use crate::doubts::Doubts;
use crate::error::{LocalError, ReadError, WriteError};
use crate::local::random;
use crate::log::Head;
use crate::repository::Database;

/// Whoever knows which files belong to a snapshot.
pub trait Attach: Send + Sync {
    /// Called when the image was captured, and before the snapshot exists. Goes
    /// through all files that belong to it, in the order of their stores and keys,
    /// byte by byte, and [pushes](Attacher::push) each.
    fn attach<'a>(&'a self, attacher: &'a mut Attacher) -> BoxFuture<'a, Result<(), WriteError>>;
}

/// What is known of a file that is put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// The store that it is in, as people are shown it.
    pub store: String,
    /// Its key there.
    pub key: String,
    /// When it was put there, in seconds since 1970, where the store says so.
    pub modified: Option<i64>,
    /// What the store calls its bytes.
    pub etag: Option<String>,
    /// What kind of content it is.
    pub content_type: Option<String>,
}

/// Takes the files of a snapshot.
#[derive(Debug)]
pub struct Attacher {
    uploader: Uploader,
    /// The files of the snapshot before, and the next of them.
    before: Option<AttachedFiles>,
    next: Option<AttachedFile>,
    from: Option<(RecordNo, Attachments)>,
    doubts: Doubts,
    /// The lists of the snapshot before, by what is in them.
    kept: HashMap<Digest, AttachedList>,
    files: Vec<AttachedFile>,
    lists: Vec<AttachedList>,
    pending: u64,
    is_as_before: bool,
    objects: u64,
    bytes_sent: u64,
}

/// Puts files. Cheap to clone; several can be put at once.
#[derive(Clone, Debug)]
pub struct Uploader {
    database: Database,
    suffix: Suffix,
}

impl Attacher {
    pub(super) async fn new(database: &Database, head: &Head) -> Result<Self, WriteError> {
        let uploader =
            Uploader { database: database.clone(), suffix: Suffix::from_bytes(random()) };
        let mut attacher = Self {
            uploader,
            before: None,
            next: None,
            from: None,
            doubts: database.doubts().await?,
            kept: HashMap::new(),
            files: Vec::new(),
            lists: Vec::new(),
            pending: 0,
            is_as_before: false,
            objects: 0,
            bytes_sent: 0,
        };
        // After a damaged record nobody knows what it condemned: only what is sent
        // anew is sure to stay.
        if !head.burnt.is_empty() {
            return Ok(attacher);
        }
        let Some((number, attachments)) = database.latest_attached(head).await? else {
            return Ok(attacher);
        };
        let index = match database.attached_index(&attachments.index).await {
            Ok(index) => index,
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "the list of files is damaged; all are sent again");
                return Ok(attacher);
            }
            Err(error) => return Err(error.into()),
        };
        attacher.from = Some((number, attachments));
        let sound = |list: &&AttachedList| !attacher.doubts.cast(&list.object.key(), number);
        let kept = index.lists.iter().filter(sound).map(|list| (list.content, list.clone()));
        attacher.kept = kept.collect();
        attacher.before = Some(database.attached_files(&attachments.index).await?);
        attacher.step().await?;
        Ok(attacher)
    }

    /// Puts files, several at once where that is wanted.
    pub fn uploader(&self) -> Uploader {
        self.uploader.clone()
    }

    async fn step(&mut self) -> Result<(), ReadError> {
        let Some(before) = &mut self.before else { return Ok(()) };
        self.next = match before.advance().await {
            Ok(next) => next,
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "a list of files is damaged; the rest are sent again");
                self.before = None;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// What the snapshot before has of a file. To be asked in order.
    pub async fn before(
        &mut self,
        store: &str,
        key: &str,
    ) -> Result<Option<AttachedFile>, ReadError> {
        while self.next.as_ref().is_some_and(|next| next.place() < (store, key)) {
            self.step().await?;
        }
        if self.next.as_ref().is_none_or(|next| next.place() != (store, key)) {
            return Ok(None);
        }
        let found = self.next.take();
        self.step().await?;
        Ok(found.filter(|file| self.is_sound(file)))
    }

    /// The next file that the snapshot before has of a store, from this key on,
    /// where somebody does not know the keys. To be asked in order.
    pub async fn next_of(&mut self, store: &str) -> Result<Option<AttachedFile>, ReadError> {
        while self.next.as_ref().is_some_and(|next| next.store.as_str() < store) {
            self.step().await?;
        }
        if self.next.as_ref().is_none_or(|next| next.store != store) {
            return Ok(None);
        }
        let found = self.next.take();
        self.step().await?;
        Ok(found)
    }

    /// Whether no check found any of its parts damaged.
    fn is_sound(&self, file: &AttachedFile) -> bool {
        let Some((number, _)) = self.from else { return false };
        !file.parts.iter().any(|part| self.doubts.cast(&part.key(), number))
    }

    /// Takes a file that was put, or that the snapshot before has.
    pub async fn push(&mut self, file: AttachedFile) -> Result<(), WriteError> {
        self.files.push(file);
        if self.files.last().is_some_and(|file| file.ends_list(self.files.len())) {
            self.end_list().await?;
        }
        Ok(())
    }

    /// Says that a file belongs to it that could not be put now: the next backup is
    /// to try again, also where nothing else changed.
    pub fn leave(&mut self) {
        self.pending += 1;
    }

    /// The snapshot has the files that the one before has, because nobody knows
    /// better now.
    pub fn keep_as_before(&mut self) {
        self.is_as_before = true;
        self.pending = self.pending.max(1);
    }

    async fn end_list(&mut self) -> Result<(), WriteError> {
        let files = std::mem::take(&mut self.files);
        let (body, content) = attached::pack(&files).map_err(cannot_pack)?;
        let known = self.kept.get(&content).cloned();
        let list = match known {
            Some(known) => known,
            None => {
                let (object, len) = self.uploader.object(body).await?;
                self.objects += 1;
                self.bytes_sent += len;
                let bytes = files.iter().map(|file| file.size).sum();
                AttachedList { object, content, files: files.len() as u64, bytes }
            }
        };
        // What is named here and not in the snapshot before was put by this run.
        let own = self.uploader.suffix;
        let parts = files.iter().flat_map(|file| &file.parts).filter(|part| part.suffix == own);
        let (count, sizes) = parts.fold((0, 0), |(n, s), part| (n + 1, s + part.size));
        self.objects += count;
        self.bytes_sent += sizes;
        self.lists.push(list);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Attached, WriteError> {
        if !self.files.is_empty() {
            self.end_list().await?;
        }
        let from = self.from.map(|(number, _)| number);
        let suffix = Some(self.uploader.suffix);
        let (objects, bytes_sent) = (self.objects, self.bytes_sent);
        if self.is_as_before {
            let files = self.from.map(|(_, files)| Attachments { pending: self.pending, ..files });
            // That there is nothing yet has to be said as well: it is tried again.
            if files.is_some() {
                return Ok(Attached { files, from, suffix, bytes_sent, objects });
            }
            self.lists.clear();
        }
        let index = AttachedIndex { lists: self.lists };
        let files = index.lists.iter().map(|list| list.files).sum();
        let bytes = index.lists.iter().map(|list| list.bytes).sum();
        let (body, _) = attached::pack(&index).map_err(cannot_pack)?;
        let (object, len) = self.uploader.object(body).await?;
        let files = Some(Attachments { index: object, files, bytes, pending: self.pending });
        let (bytes_sent, objects) = (bytes_sent + len, objects + 1);
        Ok(Attached { files, from, suffix, bytes_sent, objects })
    }
}

fn cannot_pack(error: std::io::Error) -> WriteError {
    LocalError::at("compress", "a list of files")(error).into()
}

impl Uploader {
    /// Puts a file, part by part. An error of whoever reads it is handed back, and
    /// leaves parts that no list names.
    pub async fn put<E>(
        &self,
        facts: FileFacts,
        chunks: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Result<AttachedFile, E>, WriteError> {
        let mut chunks = std::pin::pin!(chunks);
        let (mut digester, mut size, mut parts) = (StreamDigester::default(), 0, Vec::new());
        let mut waiting = BytesMut::new();
        loop {
            let chunk = match chunks.next().await {
                Some(Ok(chunk)) => Some(chunk),
                Some(Err(error)) => return Ok(Err(error)),
                None => None,
            };
            let is_last = chunk.is_none();
            if let Some(chunk) = chunk {
                digester.update(&chunk);
                size += chunk.len() as u64;
                waiting.extend_from_slice(&chunk);
            }
            while waiting.len() >= PART_LEN || (is_last && !waiting.is_empty()) {
                let part = waiting.split_to(waiting.len().min(PART_LEN));
                parts.push(self.object(part.to_vec()).await?.0);
            }
            if is_last {
                break;
            }
        }
        let FileFacts { store, key, modified, etag, content_type } = facts;
        let digest = digester.finish();
        Ok(Ok(AttachedFile { store, key, size, digest, modified, etag, content_type, parts }))
    }

    /// Puts an object of its own, and says how large it is.
    async fn object(&self, body: Vec<u8>) -> Result<(AttachedPart, u64), WriteError> {
        let id = AttachedId::from_bytes(random());
        let object = attached::encode(body, id, &self.database.home());
        self.stored(id, object.into()).await
    }

    /// Puts an object that is sealed already, for this id.
    pub(super) async fn stored(
        &self,
        id: AttachedId,
        object: Bytes,
    ) -> Result<(AttachedPart, u64), WriteError> {
        let (size, digest) = (object.len() as u64, Digest::of(&object));
        let part = AttachedPart { id, suffix: self.suffix, size, digest };
        let key = self.database.keys.at(&part.key());
        match self.database.remote().create(&key, object).await? {
            Created::New => Ok((part, size)),
            Created::Exists => {
                // Its name was drawn at random: only damage can have put it there.
                let kind = ObjectKind::Attachment;
                let error = DecodeError::Misplaced { kind, place: "upload" };
                Err(ReadError::unusable(key)(error).into())
            }
        }
    }
}
