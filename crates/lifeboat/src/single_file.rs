//! Snapshots as single files: exported, and opened with a key and nothing else.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_crypto::{CryptoError, Secret, single_file};
use lifeboat_format::archive::{
    ArchiveDecoder, ArchiveEncoder, ArchiveEncoding, ArchiveError, MAX_HEAD_LEN, SealedBeginning,
    read_head,
};
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_repository::{ArchiveSeal, Resolved, Selector, Snapshot, open_archive};

use crate::destination::Destination;
use crate::error::Error;
use crate::restore::{RestoreReport, RestoreSettings};

const MAGIC: &[u8] = b"LIFEBOATA";
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// How much is read of a file at once.
const READ_LEN: usize = 256 * 1024;
const LEVEL: i32 = 3;

/// How a database stands in an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExportForm {
    /// As it is: `sqlite3` opens it.
    #[default]
    Plain,
    /// Compressed with zstd.
    Zstd,
    /// Compressed, and sealed for those who can open the repository.
    Sealed,
}

/// What a file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileForm {
    /// An archive of Lifeboat.
    Archive,
    /// A zstd stream.
    Zstd,
    /// A 12-byte nonce, ciphertext and tag.
    NonceAndTag,
}

/// Why a single file cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file to be made is there already.
    #[error("write {}, which exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not what was written.
    #[error("open {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// The file is encrypted, and there is no key.
    #[error("open {}, which is encrypted, without a key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key does not open the file.
    #[error("open {} with this key: it is another's, or the file is damaged", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CryptoError,
    },
    /// The file is a database already.
    #[error("decrypt {}, which is a plain database", path.display())]
    NotEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// A sealed export was asked of a plain repository.
    #[error("seal an export of a repository that is not encrypted: there is no key")]
    NothingToSealWith,
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { doing, path, source }
}

impl Destination {
    /// Writes a snapshot to a single file, which must not exist. It is restored
    /// beside that file and proven first.
    pub async fn export(
        &self,
        name: &str,
        selector: &Selector,
        out: &Path,
        form: ExportForm,
        settings: &RestoreSettings,
        announce: impl FnOnce(&Snapshot),
    ) -> Result<RestoreReport, Error> {
        if form == ExportForm::Sealed && !self.repository().is_sealed() {
            return Err(FileError::NothingToSealWith.into());
        }
        if form == ExportForm::Plain {
            let announce = |meant: &Resolved| announce(meant.base());
            return self.restore(name, selector, out, settings, announce).await;
        }
        refuse_existing(out)?;
        let image = Temporary::beside(out);
        let announce = |meant: &Resolved| announce(meant.base());
        let report = self.restore(name, selector, image.path(), settings, announce).await?;
        let seal = match form {
            ExportForm::Sealed => self.database(name)?.export_seal(&report.snapshot_id).await?,
            _ => None,
        };
        let out = out.to_owned();
        let work = tokio::task::spawn_blocking(move || encode(image.path(), &out, seal.as_ref()));
        match work.await {
            Ok(done) => done?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        Ok(report)
    }
}

/// Opens a single file with a key and nothing else, and writes the database in
/// it to `out`, which must not exist. Blocking. Killed, `out` has not appeared.
///
/// Knows archives of Lifeboat, zstd streams, and whole files of a 12-byte nonce,
/// AES-256-GCM ciphertext and a 16-byte tag.
pub fn decrypt(file: &Path, out: &Path, secret: Option<&Secret>) -> Result<FileForm, FileError> {
    refuse_existing(out)?;
    let open = || File::open(file).map_err(io("read", file));
    let mut beginning = Vec::new();
    let mut source = open()?.take(16);
    source.read_to_end(&mut beginning).map_err(io("read", file))?;
    let temporary = Temporary::beside(out);
    let form = if beginning.starts_with(SQLITE_MAGIC) {
        return Err(FileError::NotEncrypted { path: file.to_owned() });
    } else if beginning.starts_with(MAGIC) {
        decrypt_archive(file, &mut open()?, temporary.path(), secret)?;
        FileForm::Archive
    } else if beginning.starts_with(ZSTD_MAGIC) {
        decode(file, &mut open()?, &[], temporary.path(), ArchiveEncoding::Zstd, None)?;
        FileForm::Zstd
    } else {
        decrypt_whole(file, temporary.path(), secret)?;
        FileForm::NonceAndTag
    };
    temporary.publish(out)?;
    Ok(form)
}

fn decrypt_archive(
    path: &Path,
    file: &mut File,
    out: &Path,
    secret: Option<&Secret>,
) -> Result<(), FileError> {
    let damaged = |source| FileError::Damaged { path: path.to_owned(), source };
    let secret = secret.ok_or_else(|| FileError::NoKey { path: path.to_owned() })?;
    let mut early = Vec::new();
    let beginning: SealedBeginning = loop {
        if let Some(beginning) = read_head(&early).map_err(damaged)? {
            break beginning;
        }
        let before = early.len();
        let part = (&mut *file).take(READ_LEN as u64).read_to_end(&mut early);
        part.map_err(io("read", path))?;
        if early.len() == before || early.len() > MAX_HEAD_LEN + READ_LEN {
            let (kind, len) = (ObjectKind::Archive, early.len() as u64);
            return Err(damaged(DecodeError::Truncated { kind, len }));
        }
    };
    let cipher = open_archive(&beginning, secret).map_err(|error| match error {
        DecodeError::UnknownKey { .. } => {
            FileError::WrongKey { path: path.to_owned(), source: CryptoError::WrongSecret }
        }
        error => damaged(error),
    })?;
    let encoding = beginning.head.name.encoding();
    let seal = Some((cipher, beginning.digest));
    decode(path, file, &early[beginning.len..], out, encoding, seal)
}

type Seal = (Arc<dyn lifeboat_format::seal::ObjectCipher>, lifeboat_format::digest::Digest);

fn decode(
    path: &Path,
    file: &mut File,
    early: &[u8],
    out: &Path,
    encoding: ArchiveEncoding,
    seal: Option<Seal>,
) -> Result<(), FileError> {
    let explain = |error| match error {
        ArchiveError::Decode(source) => FileError::Damaged { path: path.to_owned(), source },
        ArchiveError::Io(source) => io("decode", path)(source),
        _ => io("decode", path)(std::io::ErrorKind::InvalidData.into()),
    };
    let target = BufWriter::new(new_file(out)?);
    let mut decoder = ArchiveDecoder::new(target, encoding, seal).map_err(io("write", out))?;
    decoder.push(early).map_err(explain)?;
    let mut part = vec![0; READ_LEN];
    loop {
        let read = file.read(&mut part).map_err(io("read", path))?;
        if read == 0 {
            break;
        }
        decoder.push(&part[..read]).map_err(explain)?;
    }
    let mut target = decoder.finish().map_err(explain)?;
    target.flush().and_then(|()| target.get_ref().sync_all()).map_err(io("write", out))
}

/// Whole in memory: nothing of it may be used before its one tag is checked.
fn decrypt_whole(path: &Path, out: &Path, secret: Option<&Secret>) -> Result<(), FileError> {
    let Some(Secret::Raw(key)) = secret else {
        return Err(FileError::NoKey { path: path.to_owned() });
    };
    let mut bytes = std::fs::read(path).map_err(io("read", path))?;
    let opened = single_file::open(key, &mut bytes)
        .map_err(|source| FileError::WrongKey { path: path.to_owned(), source })?;
    let mut file = new_file(out)?;
    file.write_all(opened).and_then(|()| file.sync_all()).map_err(io("write", out))
}

fn encode(image: &Path, out: &Path, seal: Option<&ArchiveSeal>) -> Result<(), FileError> {
    let temporary = Temporary::beside(out);
    let path = temporary.path();
    let mut source = BufReader::new(File::open(image).map_err(io("read", image))?);
    let target = BufWriter::new(new_file(path)?);
    let encoding = if seal.is_some() { ArchiveEncoding::ZstdSealed } else { ArchiveEncoding::Zstd };
    let parts = seal.map(ArchiveSeal::parts);
    let mut encoder =
        ArchiveEncoder::new(target, encoding, LEVEL, parts).map_err(io("write", path))?;
    std::io::copy(&mut source, &mut encoder).map_err(io("write", path))?;
    let (target, _) = encoder.finish().map_err(io("write", path))?;
    target.get_ref().sync_all().map_err(io("write", path))?;
    temporary.publish(out)
}

/// A file that did not exist, and that its owner alone may read.
fn new_file(path: &Path) -> Result<File, FileError> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(io("write", path))
}

fn refuse_existing(path: &Path) -> Result<(), FileError> {
    match path.symlink_metadata() {
        Ok(_) => Err(FileError::Exists { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// A file beside another that nobody takes for a database; removed when
/// dropped. The next restore to that place removes what a killed run left.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn beside(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let id = lifeboat_repository::random_hex();
        Self { path: target.with_file_name(format!(".{name}.lifeboat-{id}.partial")) }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, if there is none of that name.
    fn publish(self, target: &Path) -> Result<(), FileError> {
        match std::fs::hard_link(&self.path, target) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists { path: target.to_owned() });
            }
            Err(source) => return Err(io("write", target)(source)),
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync", folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
