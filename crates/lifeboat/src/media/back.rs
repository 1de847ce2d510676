//! Files put back from a snapshot, where they are missing.

use std::path::Path;

use futures::{StreamExt as _, TryStreamExt as _};
use lifeboat_config as config;
use lifeboat_format::attached::{AttachedFile, PART_LEN};
use lifeboat_format::id::SnapshotId;
use lifeboat_links::Several;
use lifeboat_remote::objects::{Content, ObjectError, ObjectProvider as _, RemoteProvider};
use lifeboat_remote::{OpenError, Remote, without_secrets};
use lifeboat_repository::{AttachedFiles, Database, ReadError, Selector};
use tokio::io::AsyncWriteExt as _;

use super::stores_of;
use crate::destination::Destination;
use crate::error::{Error, causes_of};

/// So many files are in hand at once; each has a part or two in memory.
const TOGETHER: usize = 3;

/// What putting files back did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutBack {
    /// How many files the snapshot has.
    pub files: u64,
    /// How many were put back.
    pub put: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// How many were there.
    pub there: u64,
    /// Files under whose keys something else lies: it was not touched.
    pub differs: Several,
    /// Files that could not be put back, with the reason of one.
    pub failed: Several,
    /// How many files of it the backup could not read then.
    pub pending: u64,
}

enum Done {
    Put(u64),
    There,
    Differs(String),
    Failed(String),
}

/// Puts the files of a snapshot back, each into the store it was in, as the rules name
/// it, or all into another. Nothing that is there is overwritten. None where the
/// snapshot has no files.
///
/// Killed, each file is there whole, or not at all; run again, it goes on.
pub async fn put_back(
    rules: &[config::Links],
    destination: &Destination,
    name: &str,
    id: &SnapshotId,
    elsewhere: Option<&str>,
) -> Result<Option<PutBack>, Error> {
    let database = destination.database(name)?;
    let snapshot = database.resolve(&Selector::Prefix(id.to_string()), None).await?;
    let Some(attachments) = snapshot.attachments() else { return Ok(None) };
    let mut report = PutBack { pending: attachments.pending, ..PutBack::default() };
    let Some(files) = database.attached(&snapshot).await? else { return Ok(None) };
    let stores = match elsewhere {
        Some(place) => {
            let opened = Remote::open_or_create(place);
            let store = opened.map_err(|source: OpenError| Error::Destination {
                place: without_secrets(place),
                source,
            })?;
            Stores::One(Box::new(store))
        }
        None => Stores::Own(stores_of(rules, name)?),
    };
    let scratch = destination.repository().local().scratch()?;
    let work = (&database, &stores, scratch.path());
    let mut done = std::pin::pin!(
        all_of(files)
            .map(|file| async move {
                let file = file?;
                let key = file.key.clone();
                match put_one(work, file).await {
                    Ok(done) => Ok(done),
                    // What is damaged is said of each file; a store that is away, too.
                    Err(error) => {
                        Ok(Done::Failed(format!("{key}: failed to {}", causes_of(&error))))
                    }
                }
            })
            .buffer_unordered(TOGETHER)
    );
    while let Some(one) = done.next().await {
        report.files += 1;
        match one.map_err(|error: ReadError| Error::from(error))? {
            Done::Put(bytes) => {
                report.put += 1;
                report.bytes += bytes;
            }
            Done::There => report.there += 1,
            Done::Differs(key) => report.differs.count_one(|| key),
            Done::Failed(why) => report.failed.count_one(|| why),
        }
    }
    Ok(Some(report))
}

enum Stores {
    One(Box<Remote>),
    Own(Vec<(String, Remote)>),
}

fn all_of(files: AttachedFiles) -> impl futures::Stream<Item = Result<AttachedFile, ReadError>> {
    futures::stream::try_unfold(files, |mut files| async move {
        Ok(files.advance().await?.map(|file| (file, files)))
    })
}

async fn put_one(
    (database, stores, scratch): (&Database, &Stores, &Path),
    file: AttachedFile,
) -> Result<Done, Error> {
    let (store, is_own) = match stores {
        Stores::One(store) => (&**store, false),
        Stores::Own(all) => match all.iter().find(|(shown, _)| *shown == file.store) {
            Some((_, store)) => (store, true),
            None => {
                let why = format!("{}: no rule names {} any more", file.key, file.store);
                return Ok(Done::Failed(why));
            }
        },
    };
    let there = store.stat(&file.key).await.map_err(ReadError::from)?;
    if let Some(there) = there {
        let other_etag = match (&there.etag, &file.etag) {
            (Some(there), Some(file)) if is_own => there != file,
            _ => false,
        };
        // The same bytes put anew may be called otherwise; of another size they are others.
        if there.size != file.size {
            return Ok(Done::Differs(file.key));
        }
        if !other_etag || same_bytes(store, &file).await? {
            return Ok(Done::There);
        }
        return Ok(Done::Differs(file.key));
    }
    let content = content_of(database, &file, scratch).await?;
    let content = match &file.content_type {
        Some(kind) => content.with_type(kind.clone()),
        None => content,
    };
    let provider = RemoteProvider::new("store", store.clone());
    let put = provider.put(&file.key, &content, false).await;
    let _ = tokio::fs::remove_file(spooled(scratch, &file)).await;
    match put {
        Ok(_) => Ok(Done::Put(file.size)),
        Err(ObjectError::Exists { .. }) => Ok(Done::Differs(file.key)),
        Err(error) => Err(Error::Object(error)),
    }
}

/// Whether an object has the bytes of a file.
async fn same_bytes(store: &Remote, file: &AttachedFile) -> Result<bool, Error> {
    let provider = RemoteProvider::new("store", store.clone());
    let Some(object) = provider.get(&file.key).await.map_err(Error::Object)? else {
        return Ok(false);
    };
    let mut digester = lifeboat_format::digest::StreamDigester::default();
    let mut chunks = object.into_chunks();
    while let Some(chunk) = chunks.try_next().await.map_err(Error::Object)? {
        digester.update(&chunk);
    }
    Ok(digester.finish() == file.digest)
}

fn spooled(scratch: &Path, file: &AttachedFile) -> std::path::PathBuf {
    // The first part is this file's alone.
    scratch.join(file.parts.first().map_or_else(String::new, |part| part.id.to_string()))
}

/// The bytes of a file, all of them proven before any is stored: in memory where they
/// are few, else in a temporary file.
async fn content_of(
    database: &Database,
    file: &AttachedFile,
    scratch: &Path,
) -> Result<Content, Error> {
    let mut parts = database.read_attached(file);
    if file.size <= PART_LEN as u64 {
        let mut all = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
        while let Some(part) = parts.try_next().await? {
            all.extend_from_slice(&part);
        }
        return Ok(Content::bytes(all));
    }
    let path = spooled(scratch, file);
    let at = |source| Error::Path { path: path.clone(), source };
    let mut out = tokio::fs::File::create(&path).await.map_err(at)?;
    while let Some(part) = parts.try_next().await? {
        out.write_all(&part).await.map_err(at)?;
    }
    out.flush().await.map_err(at)?;
    Content::file(&path).await.map_err(Error::Object)
}
