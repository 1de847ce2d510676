//! Archives that are damaged or missing, made anew where they are plain: their
//! bytes are those of an image, which another snapshot or the live database may
//! still have. The record has their digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use lifeboat_format::archive::ArchiveEncoding;
use lifeboat_format::check::Finding;
use lifeboat_format::digest::{Digest, StreamDigester};
use lifeboat_format::geometry::{BlockNo, Geometry};
use lifeboat_format::record::{Content, Record};
use lifeboat_format::source::{PageSink, PageSource};
use lifeboat_remote::Failure;

use super::MendedObject;
use crate::archive::CONTENT_TYPE;
use crate::backup::BackupOptions;
use crate::check::{Data, Survey};
use crate::error::{BackupError, LocalError, ReadError, RestoreError, WriteError};
use crate::local::Scratch;
use crate::repository::Database;
use crate::restore::RestoreOptions;
use crate::snapshots::Snapshot;

type Mended<S> = Result<(Option<S>, Vec<MendedObject>), BackupError<<S as PageSource>::Error>>;

impl Database {
    /// Makes damaged and missing archives anew, as far as that is possible; only
    /// says so without `apply`.
    ///
    /// What is damaged gives way only to what other snapshots have: killed before
    /// it is put in its place, the next repair finds that there again.
    pub(super) async fn mend_archives<S: PageSource + 'static>(
        &self,
        mut source: Option<S>,
        survey: &Survey,
        findings: &[Finding],
        apply: bool,
    ) -> Mended<S> {
        let mut mended = Vec::new();
        for Finding { object, .. } in findings {
            let datum = survey.data.get(object).map(|datum| &datum.data);
            let Some(Data::Archive { name, snapshot, .. }) = datum else { continue };
            let Some(record) = survey.records.get(snapshot) else { continue };
            let object = object.clone();
            if name.encoding() != ArchiveEncoding::Plain {
                let hindrance = Some("no byte of a compressed or encrypted one can be made anew");
                mended.push(MendedObject { object, hindrance });
                continue;
            }
            let cache = self.cache_folder().map_err(ReadError::from)?;
            let scratch = Scratch::new(&cache).map_err(ReadError::from)?;
            let path = scratch.path().join("archive");
            let is_there = self.remote().size(&self.keys.at(&object)).await;
            let is_there = is_there.map_err(ReadError::from)?.is_some();
            let mut found = self.others_image(record, findings, survey, &path).await?;
            if !found
                && !is_there
                && let Some(live) = source.take()
            {
                let options = BackupOptions::new("");
                let (back, _) = self.capture_file(live, name, &path, &options).await?;
                source = Some(back);
                found = is_it(record, &path)?;
            }
            let hindrance = match (found, apply) {
                (false, _) if is_there => Some("no other snapshot is of the same state"),
                (false, _) => {
                    Some("neither another snapshot nor the live database is of that state")
                }
                (true, false) => None,
                (true, true) => self.put_archive(&object, is_there, &path).await?.err(),
            };
            mended.push(MendedObject { object, hindrance });
        }
        Ok((source, mended))
    }

    /// Writes the image of an archive from another snapshot that has it; false if
    /// none does.
    async fn others_image(
        &self,
        wanted: &Record,
        findings: &[Finding],
        survey: &Survey,
        path: &Path,
    ) -> Result<bool, ReadError> {
        let Some(body) = &wanted.body else { return Ok(false) };
        for record in survey.records.values() {
            let same = record.body.as_ref().is_some_and(|other| {
                other.image_digest == body.image_digest && other.geometry() == body.geometry()
            });
            let own = |finding: &Finding| {
                record
                    .body
                    .as_ref()
                    .and_then(Self::archive_of)
                    .is_some_and(|name| finding.object == lifeboat_format::key::archive(name))
            };
            if !same || record.number() == wanted.number() || findings.iter().any(own) {
                continue;
            }
            let Some(snapshot) = Snapshot::of(Arc::clone(record), false) else { continue };
            let sink = FileBlocks::create(path).map_err(LocalError::at("write", path))?;
            match self.restore(&snapshot, sink, &RestoreOptions::default()).await {
                Ok(_) if is_it(wanted, path)? => return Ok(true),
                Ok(_) | Err(RestoreError::Incomplete { .. }) => {}
                Err(RestoreError::Read(error)) if error.is_damage() => {}
                Err(RestoreError::Read(error)) => return Err(error),
                Err(RestoreError::Sink(error)) => {
                    return Err(LocalError::at("write", path)(error).into());
                }
                Err(RestoreError::Cancelled) => return Ok(false),
            }
        }
        Ok(false)
    }

    async fn put_archive(
        &self,
        object: &str,
        is_there: bool,
        path: &Path,
    ) -> Result<Result<(), &'static str>, WriteError> {
        let key = self.keys.at(object);
        if is_there {
            match self.remote().delete(std::slice::from_ref(&key)).await {
                Ok(()) => {}
                Err(error) if error.what == Failure::Denied => {
                    return Ok(Err("the store lets nothing be replaced"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Whoever was faster put the same bytes there.
        let _ = self.remote().create_from_file(&key, path, CONTENT_TYPE).await?;
        Ok(Ok(()))
    }
}

/// Whether a file has the bytes that the record of an archive names.
fn is_it(record: &Record, path: &Path) -> Result<bool, LocalError> {
    let Some(Content::File { size, digest, .. }) = record.body.as_ref().map(|body| &body.content)
    else {
        return Ok(false);
    };
    let (found, len) = digest_of(path).map_err(LocalError::at("read", path))?;
    Ok(len == *size && found == *digest)
}

fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut digester = StreamDigester::default();
    let mut buffer = vec![0; 256 * 1024];
    let mut len = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((digester.finish(), len)),
            n => {
                digester.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

/// Writes the blocks of an image as the file that they are.
struct FileBlocks {
    file: File,
    geometry: Option<Geometry>,
}

impl FileBlocks {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, geometry: None })
    }
}

impl PageSink for FileBlocks {
    type Error = io::Error;

    fn begin(&mut self, geometry: Geometry) -> io::Result<()> {
        self.geometry = Some(geometry);
        // Emptied first: the page that nobody hands over is zeros.
        self.file.set_len(0)?;
        self.file.set_len(geometry.file_size())
    }

    fn blocks(&mut self, first: BlockNo, data: &[u8]) -> io::Result<()> {
        let Some(geometry) = self.geometry else { return Err(io::ErrorKind::InvalidInput.into()) };
        let start = geometry.offset_of(first);
        // The padding of the last block is not part of the file.
        let left = geometry.file_size().saturating_sub(start);
        let len = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.file.seek(SeekFrom::Start(start))?;
        self.file.write_all(&data[..len])
    }
}
