//! Reading the files of a snapshot.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use lifeboat_format::attached::{
    self, AttachedFile, AttachedIndex, AttachedList, AttachedPart, MAX_ATTACHED_LEN,
};
use lifeboat_format::digest::StreamDigester;
use lifeboat_format::id::AttachedId;
use lifeboat_format::object::{DecodeError, ObjectKind};

use crate::error::ReadError;
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// The files of a snapshot, in the order of their stores and keys. One list is in
/// memory at a time.
#[derive(Debug)]
pub struct AttachedFiles {
    database: Database,
    lists: VecDeque<AttachedList>,
    files: VecDeque<AttachedFile>,
}

impl AttachedFiles {
    /// The next one.
    pub async fn advance(&mut self) -> Result<Option<AttachedFile>, ReadError> {
        loop {
            if let Some(file) = self.files.pop_front() {
                return Ok(Some(file));
            }
            let Some(list) = self.lists.pop_front() else { return Ok(None) };
            self.files = self.database.attached_list(&list).await?.into();
        }
    }
}

impl Database {
    /// The files of a snapshot; none where it has none.
    pub async fn attached(&self, snapshot: &Snapshot) -> Result<Option<AttachedFiles>, ReadError> {
        match super::attachments_of(snapshot.record()) {
            None => Ok(None),
            Some(attachments) => self.attached_files(&attachments.index).await.map(Some),
        }
    }

    pub(super) async fn attached_files(
        &self,
        index: &AttachedPart,
    ) -> Result<AttachedFiles, ReadError> {
        let lists = self.attached_index(index).await?.lists.into();
        Ok(AttachedFiles { database: self.clone(), lists, files: VecDeque::new() })
    }

    /// Reads an index.
    pub(crate) async fn attached_index(
        &self,
        part: &AttachedPart,
    ) -> Result<AttachedIndex, ReadError> {
        let body = self.attached_body(part).await?;
        attached::unpack(&body).map_err(ReadError::unusable(self.keys.at(&part.key())))
    }

    /// Reads a list.
    pub(crate) async fn attached_list(
        &self,
        list: &AttachedList,
    ) -> Result<Vec<AttachedFile>, ReadError> {
        let body = self.attached_body(&list.object).await?;
        attached::unpack(&body).map_err(ReadError::unusable(self.keys.at(&list.object.key())))
    }

    /// The body of an object, proven.
    async fn attached_body(&self, part: &AttachedPart) -> Result<Vec<u8>, ReadError> {
        let bytes = self.attached_object(part).await?;
        let key = self.keys.at(&part.key());
        attached::decode(&bytes, part, &self.home()).map_err(ReadError::unusable(key))
    }

    /// A whole object, of which nothing is proven.
    async fn attached_object(&self, part: &AttachedPart) -> Result<Bytes, ReadError> {
        let key = self.keys.at(&part.key());
        let limit = part.size.min(MAX_ATTACHED_LEN);
        let object = self.remote().get(&key, limit).await?;
        object.ok_or(ReadError::Missing { kind: ObjectKind::Attachment, key })
    }

    /// A part of a file as it is stored, proven, from here or, where it is damaged
    /// here, from others.
    pub(super) async fn attached_stored(&self, part: &AttachedPart) -> Result<Bytes, ReadError> {
        let here = self.attached_object(part).await.and_then(|bytes| {
            let key = self.keys.at(&part.key());
            let proven = attached::decode(&bytes, part, &self.home());
            proven.map(|_| bytes).map_err(ReadError::unusable(key))
        });
        let error = match here {
            Err(error) if error.is_damage() => error,
            here => return here,
        };
        for other in self.others() {
            if let Some(bytes) = other.attached_like(part).await {
                return Ok(bytes);
            }
        }
        Err(error)
    }

    /// The bytes of an object, if they lie here under whatever suffix.
    pub(crate) async fn attached_like(&self, part: &AttachedPart) -> Option<Bytes> {
        for key in self.attached_keys(part.id).await.ok()? {
            let limit = part.size.min(MAX_ATTACHED_LEN);
            if let Ok(Some(bytes)) = self.remote().get(&key, limit).await
                && lifeboat_format::digest::Digest::of(&bytes) == part.digest
            {
                return Some(bytes);
            }
        }
        None
    }

    /// Where an object lies here, as far as a listing shows.
    async fn attached_keys(&self, id: AttachedId) -> Result<Vec<String>, ReadError> {
        let begins = format!("{}/{id}-", self.keys.attachments());
        let listed = self.remote().list(&self.keys.attachments()).await?;
        let keys = listed.into_iter().map(|object| object.key);
        Ok(keys.filter(|key| key.starts_with(&begins)).collect())
    }

    /// The bytes of a file, part by part, each proven; and in the end all of it.
    pub fn read_attached(
        &self,
        file: &AttachedFile,
    ) -> BoxStream<'static, Result<Bytes, ReadError>> {
        let (database, file) = (self.clone(), file.clone());
        let state = (database, file, 0, StreamDigester::default(), 0);
        let parts = futures::stream::try_unfold(state, |state| async move {
            let (database, file, at, mut digester, size) = state;
            let Some(part) = file.parts.get(at).copied() else {
                if size == file.size && digester.finish() == file.digest {
                    return Ok(None);
                }
                let (kind, what) = (ObjectKind::Attachment, "digest of the file");
                let key = file.parts.first().map_or_else(|| "attachments".into(), |p| p.key());
                let error = DecodeError::Damaged { kind, what };
                return Err(ReadError::unusable(database.keys.at(&key))(error));
            };
            let stored = database.attached_stored(&part).await?;
            let key = database.keys.at(&part.key());
            let body = attached::decode(&stored, &part, &database.home())
                .map_err(ReadError::unusable(key))?;
            digester.update(&body);
            let size = size + body.len() as u64;
            Ok(Some((Bytes::from(body), (database, file, at + 1, digester, size))))
        });
        parts.boxed()
    }
}
