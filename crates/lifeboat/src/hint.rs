//! What to do next, and whether data is safe: the two lines under an error.

mod links;

use std::path::Path;

use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_remote::objects::ObjectError;
use lifeboat_repository::{BackupError, KeyError, ReadError, ResolveError, WriteError};
use lifeboat_snapshot::{
    CaptureFailure, OpenError, PublishError, ReplaceError, StageError, UndoError,
};

use crate::error::{Error, ErrorKind};
use crate::single_file::FileError;

/// What a person can do about an error.
pub fn hint(error: &Error) -> Option<String> {
    if let Some(hint) = error.write_error().and_then(of_write) {
        return Some(hint);
    }
    if let Some(hint) = error.read_error().and_then(of_read) {
        return Some(hint);
    }
    if let Error::Replace(error) = error
        && let Some(hint) = of_replace(error)
    {
        return Some(hint);
    }
    if error.is_busy() {
        return Some(
            "try again when the application has finished, or have it leave \
             PRAGMA locking_mode=EXCLUSIVE"
                .into(),
        );
    }
    Some(match error {
        Error::NoRepository { place } if lifeboat_remote::is_local_path(place) => {
            "the first backup makes one; -r names another place".into()
        }
        Error::NoRepository { .. } => "make one with `lifeboat init`, or add --init".into(),
        Error::OtherRepository { .. } => {
            "all destinations are places of one repository: name an empty place there, or back up \
             to the two with settings of their own"
                .into()
        }
        Error::Bucket(error) => error.hint(),
        Error::Store(error) => error.hint().into(),
        Error::Destination { .. } => "-r takes a directory or a URL".into(),
        Error::Local(_) => {
            "LIFEBOAT_STATE_DIR and LIFEBOAT_CACHE_DIR name directories that can be written".into()
        }
        Error::Name { .. } => "give another name with --as".into(),
        Error::Policy(_) => {
            "--keep-last 7, --keep-within 30d or --keep-preset says what is kept; nothing was \
             forgotten"
                .into()
        }
        Error::Plan(_) => {
            "`lifeboat snapshots` shows the tags in its last column; nothing was forgotten".into()
        }
        Error::Resolve(error) => return of_resolve(error),
        Error::Stage(StageError::TargetExists { .. })
        | Error::Publish(PublishError::TargetExists { .. }) => {
            "name a file that does not exist, or add --force: what is there is then set aside"
                .into()
        }
        Error::Stage(StageError::Create { target: path, source })
        | Error::Path { path, source } => {
            return no_file(path, source);
        }
        Error::Stage(StageError::SidecarExists { .. })
        | Error::Publish(PublishError::SidecarExists { .. }) => {
            "it belongs to an earlier database there: move it away, or name another target".into()
        }
        Error::Unsound { .. } => {
            "the fault was there when the snapshot was taken: try an older one, or do without the \
             check (no --check; with --in-place, --no-check) to get the file as it was"
                .into()
        }
        Error::OtherOrigin { .. } => {
            "if that is meant, name the file with --in-place --target".into()
        }
        Error::NoOrigin { .. } => "name the file with --in-place --target".into(),
        Error::Undo(UndoError::NotSetAside { .. }) => {
            "a restore sets a database aside as <its name>.before-restore-<time>".into()
        }
        Error::Undo(UndoError::Unreadable(_)) => {
            "SQLite could not use it when it was set aside either: it lies there whole, with its \
             -wal and -journal"
                .into()
        }
        Error::File(error) => return of_file(error),
        Error::Object(error) => return of_object(error),
        Error::Links(error) => return links::hint(error),
        Error::NoObjects => {
            "name it with --primary, objects.primary, LIFEBOAT_OBJECTS__PRIMARY or \
             AWS_S3_BUCKET_NAME"
                .into()
        }
        Error::Disabled { hint, .. } => hint.clone(),
        #[cfg(feature = "commands")]
        Error::Hook(_) => "run the command by hand; what it prints is in the log".into(),
        Error::Setup(error) => error.hint.clone(),
        Error::Unwatched { known, .. } if known.is_empty() => "none is configured".into(),
        Error::Unwatched { known, .. } => format!("there is: {}", known.join(", ")),
        Error::Occupied { .. } => {
            "use the asynchronous form, or a runtime of several threads".into()
        }
        Error::NoRoom { .. } => "LIFEBOAT_CACHE_DIR names a directory on a larger disk".into(),
        Error::Source(error) => return of_open(error),
        Error::Backup(BackupError::Source(error)) => {
            return of_capture(error);
        }
        _ => match error.kind() {
            ErrorKind::Storage => "look at the storage, then run the command again".into(),
            _ => return None,
        },
    })
}

fn of_object(error: &ObjectError) -> Option<String> {
    Some(match error {
        ObjectError::Store(error) => error.hint().into(),
        ObjectError::Exists { .. } => {
            "use another key, or say --replace: a key is one object on all sides".into()
        }
        ObjectError::Everywhere { .. } => "look at the storage, then run the command again".into(),
        ObjectError::Undeleted { .. } => {
            "run the command again when these answer: what is gone stays gone".into()
        }
        ObjectError::UnknownProvider { .. } => {
            "primary_name and fallback_name in [objects] say what placements call the two".into()
        }
        ObjectError::NoUrl { .. } => "objects.public_base names the address of a web server".into(),
        ObjectError::Providers => {
            "both are stores of one kind: name them with primary_name and fallback_name in \
             [objects], or NAME=URL"
                .into()
        }
        _ => return None,
    })
}

fn of_replace(error: &ReplaceError) -> Option<String> {
    Some(match error {
        ReplaceError::InUse { .. } => {
            "stop the programs that have it open, then run the command again".into()
        }
        ReplaceError::PageSize { .. } => {
            "stop the programs that have it open, then run the command again: in WAL mode SQLite \
             cannot change the size of pages"
                .into()
        }
        ReplaceError::ReadOnly { .. } => "run as a user who may write to it".into(),
        ReplaceError::Uncertain { aside, .. } => format!(
            "look at the disk, then run the command again; or take it back with lifeboat restore \
             --undo {}",
            shell_word(aside)
        ),
        ReplaceError::Aside { .. } => {
            "the old database is set aside first, which needs room for a second copy of it beside \
             it"
            .into()
        }
        _ => return None,
    })
}

fn of_file(error: &FileError) -> Option<String> {
    Some(match error {
        FileError::Exists { .. } => {
            "name a file that does not exist; nothing is ever overwritten".into()
        }
        FileError::NoKey { .. } => GIVE_KEY.into(),
        FileError::WrongKey { .. } => {
            "give the key of the repository that it comes from, as it was then; any key that \
             opened the repository when the file was made opens the file"
                .into()
        }
        FileError::NotEncrypted { .. } => "use it as it is".into(),
        FileError::NothingToSealWith => "export it with --plain or --zstd".into(),
        _ => return None,
    })
}

fn of_open(error: &OpenError) -> Option<String> {
    Some(match error {
        OpenError::NotFound { .. } => "look for a typing mistake in the path".into(),
        OpenError::Unreadable { .. } => "run as a user who may read it".into(),
        OpenError::IsDirectory { .. } => "name the database file in it".into(),
        OpenError::Empty { .. } => {
            "an empty file holds nothing to back up; if there should be a database, restore it"
                .into()
        }
        OpenError::FirstRead(failure) => return of_capture(failure),
        _ => return None,
    })
}

/// DuckDB files have their mark after a checksum of eight bytes. The file is no
/// SQLite database, so that nobody has locks on it that closing it could drop.
fn is_duckdb(path: &std::path::Path) -> bool {
    use std::io::Read;
    let mut start = [0; 12];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start[8..] == *b"DUCK"
}

fn of_capture(error: &CaptureFailure) -> Option<String> {
    Some(match error {
        CaptureFailure::NotADatabase { path, .. } if is_duckdb(path) => {
            "this is a DuckDB database: only DuckDB reads those, and `EXPORT DATABASE` in it \
             writes a copy; tables that should be backed up here can be kept in a SQLite file, \
             which DuckDB attaches with (TYPE sqlite)"
                .into()
        }
        CaptureFailure::NotADatabase { .. } => {
            "the file does not begin as a SQLite database does; one that is encrypted as a whole \
             cannot be backed up page by page"
                .into()
        }
        CaptureFailure::Replaced { .. } => "run the command again".into(),
        CaptureFailure::SidecarsUnavailable { .. } => {
            "run as a user who may write to the directory of the database".into()
        }
        _ => return None,
    })
}

fn of_write(error: &WriteError) -> Option<String> {
    Some(match error {
        WriteError::HeldByOther { number, .. } => format!(
            "if that installation is gone for good, take over with --take-over {}; if not, use \
             another name with --as",
            number.0
        ),
        WriteError::OtherOrigin { number, .. } => format!(
            "use another name with --as; if it is the same database, moved, say so with \
             --take-over {}",
            number.0
        ),
        WriteError::Twin { .. } => {
            "this machine, or its state directory, is a copy of another: delete the file \
             installation-id in the state directory of one of the two"
                .into()
        }
        WriteError::Contention { .. } => "run the command again".into(),
        WriteError::EpochEnded { .. } | WriteError::SegmentTaken { .. } => {
            "another installation has taken over, or another process writes this log: let one of \
             them follow the database, and take a snapshot there"
                .into()
        }
        WriteError::NoConditions { .. } => {
            "keep the log on a storage that honours conditional creates; scans at an interval \
             work here (`lifeboat storage probe` says what it does)"
                .into()
        }
        WriteError::Unfit { .. } => {
            "allow to list the bucket, or take another storage; `lifeboat storage probe` says what \
             this one does"
                .into()
        }
        _ => return None,
    })
}

fn of_read(error: &ReadError) -> Option<String> {
    Some(match error {
        ReadError::RolledBack { newest, .. } => format!(
            "records were deleted, or the storage was set back; if that is meant, say \
             --expect {}",
            newest.map_or(0, |number| number.0)
        ),
        ReadError::Vanished { .. } => {
            "if its disk or share is not mounted, mount it; if what was there is gone for good, \
             `lifeboat init` begins there anew (`lifeboat init NAME` at another destination than \
             the first), and `lifeboat sync` then copies what other destinations have"
                .into()
        }
        ReadError::Gap { .. } => {
            "records were lost, or a copy of the repository is not finished: complete it, or take \
             another copy; --expect N goes on with record N as the newest"
                .into()
        }
        ReadError::Replaced { .. } => {
            "the storage was set back, or another copy of the repository lies there: look before \
             you go on; --expect N accepts record N as the newest"
                .into()
        }
        ReadError::Key(error) => return of_key(error),
        ReadError::Unusable { source: DecodeError::Sealed { .. }, .. } => GIVE_KEY.into(),
        ReadError::Unusable { source: DecodeError::UnknownKey { .. }, .. } => {
            "the slot of that data key is gone or not for this key; or the object was copied here \
             from another repository"
                .into()
        }
        ReadError::Unusable { source: DecodeError::TooNew { .. }, .. } => {
            "install a newer version of lifeboat".into()
        }
        ReadError::Unusable { source, .. } if source.is_damage() => of_damage(source.kind()).into(),
        ReadError::Missing { kind: ObjectKind::Format, .. } => {
            "databases lie there, so a new repository is not begun over them: put the folder format/ \
             back from another copy (`lifeboat restore --heal` takes it from another destination)"
                .into()
        }
        ReadError::Missing { kind, .. } => of_damage(*kind).into(),
        ReadError::Unexpected { newest, .. } => format!(
            "look for a typing mistake in --expect: it names the newest record, which is {} here",
            newest.map_or(0, |number| number.0)
        ),
        ReadError::Local(_) => {
            "LIFEBOAT_STATE_DIR and LIFEBOAT_CACHE_DIR name directories that can be written".into()
        }
        ReadError::Remote(error) => error.hint().into(),
        _ => return None,
    })
}

/// What to do where an object is damaged or missing.
fn of_damage(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Record => {
            "`lifeboat repair` says whether another destination has its snapshot; `lifeboat \
             snapshots` lists the others, and restore takes the id of one"
        }
        ObjectKind::List => {
            "`lifeboat repair` says whether the list can be made anew; other snapshots may be \
             whole: `lifeboat snapshots` lists them, and restore takes the id of one"
        }
        ObjectKind::Format | ObjectKind::Key => {
            "put it back from another copy of the repository; where another destination is \
             configured, `lifeboat repair --apply` does"
        }
        ObjectKind::Check | ObjectKind::Repair | ObjectKind::Heartbeat => {
            "no snapshot needs it; `lifeboat repair --apply` takes it away"
        }
        _ => {
            "`lifeboat repair` says what can be mended; other snapshots may be whole: `lifeboat \
             snapshots` lists them, and restore takes the id of one; --salvage restores what is \
             left of this one"
        }
    }
}

const GIVE_KEY: &str = "give it in LIFEBOAT_KEY, LIFEBOAT_PASSPHRASE, or the same with _FILE or \
                        _COMMAND, or with --key-file";

fn of_key(error: &KeyError) -> Option<String> {
    Some(match error {
        KeyError::Missing { .. } => GIVE_KEY.into(),
        KeyError::Wrong { .. } => {
            "it may be the key of another repository, or one that was removed here; the sheet of \
             `lifeboat key kit` has the right one"
                .into()
        }
        KeyError::NotSealed { .. } => {
            "unset the key to go on without encryption, or make an encrypted repository elsewhere \
             with -r: an existing one cannot become encrypted"
                .into()
        }
        KeyError::WasSealed { .. } | KeyError::RolledBack { .. } | KeyError::Replaced { .. } => {
            "somebody put another or an older repository in its place: look before you go on".into()
        }
        KeyError::LastHolder => "add another first, with `lifeboat key add`".into(),
        KeyError::AlreadyThere => {
            "there is nothing to do; `lifeboat key list` shows what each key opens".into()
        }
        KeyError::PartOnly => {
            "use a key that opens everything: `lifeboat key list` shows which do".into()
        }
        KeyError::NoSuchHolder { .. } => "`lifeboat key list` shows their ids".into(),
        KeyError::SeveralHolders { .. } => "give the whole id".into(),
        KeyError::Label => "shorten it; the default is none".into(),
        _ => return None,
    })
}

fn of_resolve(error: &ResolveError) -> Option<String> {
    Some(match error {
        ResolveError::NoSnapshots { known, .. } if known.is_empty() => {
            "the repository has no databases".into()
        }
        ResolveError::NoSnapshots { known, .. } => format!("there is: {}", known.join(", ")),
        ResolveError::NotFound { nearest, .. } if nearest.is_empty() => return None,
        ResolveError::NotFound { nearest, .. } => {
            let ids: Vec<&str> = nearest.iter().map(|id| id.as_str()).collect();
            format!("the nearest: {}", ids.join(", "))
        }
        ResolveError::Ambiguous { matches, .. } => {
            let ids: Vec<&str> = matches.iter().map(|id| id.as_str()).collect();
            format!("it could be {}", ids.join(", "))
        }
        _ => return None,
    })
}

/// A file is to be made in a directory that is not there, or that others own.
fn no_file(file: &Path, why: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    if matches!(why.kind(), PermissionDenied | ReadOnlyFilesystem) {
        return Some(
            "name a file in a directory that you may write to, or run as its owner".into(),
        );
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let text = || format!("make the directory first: mkdir -p {}", shell_word(folder));
    (!folder.exists()).then(text)
}

/// What a command was about, to say what became of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum About {
    /// Taking a snapshot.
    Backup,
    /// Restoring to a file.
    Restore,
    /// Restoring over a database.
    InPlace,
    /// Reading what is stored.
    Reading,
    /// An object that is no backup.
    Object,
    /// Links.
    Links,
}

/// Whether data is safe, and in which words.
pub fn safety(error: &Error, about: About) -> (bool, &'static str) {
    let damage = error.kind() == ErrorKind::Damage;
    if let Error::Replace(ReplaceError::NotDurable { .. }) = error {
        return (
            true,
            "The new database is there, whole and proven, and the old one is set aside; a loss of \
             power now may bring the old one back.",
        );
    }
    if let Error::Replace(ReplaceError::Uncertain { .. }) = error {
        return (true, "The database is one whole state, the old or the new one; nothing is lost.");
    }
    match (about, damage) {
        (About::Backup, false) => {
            (true, "The database and the snapshots that there are were not touched.")
        }
        (About::Backup, true) => {
            (false, "The database was not touched, but stored data is damaged or missing.")
        }
        (About::Restore, false) => (true, "Nothing was written to the target."),
        (About::Restore, true) => {
            (false, "Nothing was written to the target, but stored data is damaged or missing.")
        }
        (About::InPlace, false) => (true, "The database is what it was."),
        (About::InPlace, true) => {
            (false, "The database is what it was, but stored data is damaged or missing.")
        }
        (About::Links, _) => (
            true,
            "No row and no object was changed by what failed; what was said to be done before is \
             done, and can be taken back.",
        ),
        (About::Object, _) => {
            (true, "Nothing was overwritten, and nothing is gone that was to stay.")
        }
        (About::Reading, false) => (true, "Nothing was changed."),
        (About::Reading, true) => (false, "Nothing was changed, but stored data is damaged."),
    }
}

/// A path as one word of a shell.
pub fn shell_word(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    let begins_well = bytes.first().is_some_and(|first| *first != b'-');
    match path.to_str() {
        Some(text) if begins_well && bytes.iter().copied().all(plain) => text.to_owned(),
        Some(text) if !text.contains(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // As bash and zsh take it, and what follows POSIX since 2024.
        _ => {
            let escaped: String = bytes
                .iter()
                .map(|&byte| match byte {
                    byte if plain(byte) => char::from(byte).to_string(),
                    byte => format!("\\x{byte:02x}"),
                })
                .collect();
            format!("$'{escaped}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn words_of_a_shell() {
        use std::os::unix::ffi::OsStrExt;
        let check = |bytes: &[u8], expected| {
            let path = Path::new(std::ffi::OsStr::from_bytes(bytes));
            assert_eq!(shell_word(path), expected);
        };
        check(b"/srv/app.db.before-restore-1", "/srv/app.db.before-restore-1");
        check(b"/srv/it's mine.db", r"'/srv/it'\''s mine.db'");
        check(b"-x", "'-x'");
        check(b"/srv/caf\xe9\n.db", r"$'/srv/caf\xe9\x0a.db'");
    }
}
