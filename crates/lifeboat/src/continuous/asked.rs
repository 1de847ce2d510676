//! Other processes that wait until what was committed is stored: they ask by a file,
//! and are answered by one.
//!
//! A file, and no socket: it needs no address, its directory says who may ask, and an
//! agent that died leaves nothing behind that would have to be found out.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_format::id::DatabaseName;
use lifeboat_repository::random_hex;

use super::shared::Durable;

/// How often it is looked for somebody who asks, and for the answer.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// The directory for it, in that of the state.
pub(crate) fn directory(state: &Path) -> PathBuf {
    state.join("continuous")
}

/// That this process follows a database: no other of the installation does.
#[derive(Debug)]
pub(crate) struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims a database; none where another process follows it.
    pub(crate) fn new(state: &Path, name: &str) -> std::io::Result<Option<Self>> {
        let dir = directory(state);
        std::fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join(lock_name(name)))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a process follows it now.
    pub(crate) fn is_taken(state: &Path, name: &str) -> bool {
        let lock = File::open(directory(state).join(lock_name(name)));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

fn key(name: &str) -> String {
    DatabaseName::new(name).map_or_else(|_| String::new(), |name| name.key())
}

fn lock_name(name: &str) -> String {
    format!("{}.lock", key(name))
}

/// A question on the disk, which goes when whoever asks has gone.
#[derive(Debug)]
pub(crate) struct Question {
    path: PathBuf,
}

impl Question {
    /// Asks whoever follows a database.
    pub(crate) fn ask(state: &Path, name: &str) -> std::io::Result<Self> {
        let dir = directory(state);
        let path = dir.join(format!("{}.asked", random_hex()));
        write(&dir, &path, name)?;
        Ok(Self { path })
    }

    /// The answer, if it is there: what is stored, or why nothing can be said.
    pub(crate) fn answer(&self) -> Option<Result<Durable, String>> {
        let text = std::fs::read_to_string(self.path.with_extension("answer")).ok()?;
        Some(match text.split_once(' ') {
            Some(("stored", rest)) => {
                let mut words = rest.split(' ');
                let mut number = || words.next()?.parse::<i128>().ok();
                let commit = number().and_then(|one| u64::try_from(one).ok()).unwrap_or(0);
                let until = number()
                    .and_then(|nanos| time::OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
                Ok(Durable { commit, until })
            }
            Some((_, why)) => Err(why.to_owned()),
            None => Err(text),
        })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(self.path.with_extension("answer"));
    }
}

/// What is asked now: who is to be answered, and of which database.
pub(crate) fn questions(state: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(directory(state)).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let asked = paths.filter(|path| path.extension().is_some_and(|it| it == "asked"));
    asked.filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?))).collect()
}

/// Answers, unless whoever asked has gone.
pub(crate) fn reply(asked: &Path, answer: &Result<Durable, String>) -> std::io::Result<()> {
    let text = match answer {
        Ok(durable) => {
            let until = durable.until.map_or(0, time::OffsetDateTime::unix_timestamp_nanos);
            format!("stored {} {until}", durable.commit)
        }
        Err(why) => format!("failed {why}"),
    };
    std::fs::remove_file(asked)?;
    let dir = asked.parent().expect("it lies in a directory");
    write(dir, &asked.with_extension("answer"), &text)
}

/// Writes a file that is there whole or not at all.
fn write(dir: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let draft = dir.join(format!("{}.draft", random_hex()));
    File::create(&draft)?.write_all(text.as_bytes())?;
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path();
        assert!(!Claim::is_taken(state, "a/b c"));
        let claim = Claim::new(state, "a/b c").expect("makes").expect("nobody has it");
        assert!(Claim::is_taken(state, "a/b c") && !Claim::is_taken(state, "other"));
        let question = Question::ask(state, "a/b c").expect("asks");
        assert_eq!(question.answer(), None);
        let [(asked, name)] = &questions(state)[..] else { panic!("one is asked") };
        assert_eq!(name, "a/b c");
        let until = Some(time::macros::datetime!(2026-11-21 10:00:00.25 UTC));
        let durable = Durable { commit: 7, until };
        reply(asked, &Ok(durable)).expect("answers");
        assert_eq!(question.answer(), Some(Ok(durable)));
        assert_eq!(questions(state), []);
        drop((question, claim));
        let left = std::fs::read_dir(directory(state)).expect("lists").count();
        assert_eq!(left, 1, "the lock alone");
        assert!(!Claim::is_taken(state, "a/b c"));
    }

    #[test]
    fn why_nothing_can_be_said_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let question = Question::ask(folder.path(), "app").expect("asks");
        let (asked, _) = questions(folder.path()).remove(0);
        reply(&asked, &Err("it is not followed".into())).expect("answers");
        assert_eq!(question.answer(), Some(Err("it is not followed".into())));
    }
}
