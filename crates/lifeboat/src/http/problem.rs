//! Errors as the interface tells them.

use lifeboat_http::Problem;
use lifeboat_repository::{ReadError, WriteError};
use lifeboat_snapshot::{PublishError, StageError};

use crate::error::{Error, ErrorKind, causes_of};
use crate::hint::{About, hint, safety};

/// Turns an error into what a caller is told: the words, the exit code and the
/// hint of the command.
pub(super) fn explained(about: About) -> impl Fn(Error) -> Problem {
    move |error| {
        let message = format!("failed to {}", causes_of(&error));
        let problem = match (&error, error.kind()) {
            (Error::Unwatched { .. }, _) => Problem::not_found("there is no database of this name"),
            (Error::Resolve(_), ErrorKind::Refused) => Problem::not_found(message),
            (_, ErrorKind::Usage) => Problem::usage(message),
            (_, ErrorKind::Refused | ErrorKind::Disabled) => Problem::conflict(7, message),
            (_, ErrorKind::NoRepository) => Problem::conflict(10, message),
            (_, ErrorKind::HeldByOther) => Problem::conflict(11, message),
            (_, ErrorKind::Storage) => Problem::storage(message),
            (_, ErrorKind::Damage) => Problem::failed(4, message),
            (_, ErrorKind::Key) => Problem::failed(12, message),
            (_, ErrorKind::Source) => Problem::failed(15, message),
            _ => Problem::failed(1, message),
        };
        let problem = match in_its_words(&error).or_else(|| hint(&error)) {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        };
        if safety(&error, about).0 { problem } else { problem.data_may_be_hurt() }
    }
}

/// Hints that would name options of a command, for those who have none.
fn in_its_words(error: &Error) -> Option<String> {
    Some(match error {
        Error::Stage(StageError::TargetExists { .. })
        | Error::Publish(PublishError::TargetExists { .. }) => {
            "choose another file_name; nothing is overwritten".into()
        }
        Error::Unsound { .. } => {
            "the fault was there when the snapshot was taken: try an older one; `lifeboat restore` \
             on the machine can do without the check"
                .into()
        }
        Error::OtherOrigin { .. } | Error::NoOrigin { .. } => {
            "restore it to a new file; `lifeboat restore` on the machine can put it elsewhere"
                .into()
        }
        Error::NoRepository { .. } => "make one on the machine, with `lifeboat init`".into(),
        Error::Read(ReadError::Unexpected { newest, .. }) => format!(
            "look for a typing mistake in \"expect\": it names the newest record, which is {} here",
            newest.map_or(0, |number| number.0)
        ),
        Error::Write(WriteError::HeldByOther { number, .. }) => format!(
            "if that installation is gone for good, `lifeboat backup` on this machine takes over \
             from record {number}; if not, give the database another name in the settings"
        ),
        Error::Write(WriteError::OtherOrigin { .. }) => {
            "give the database another name in the settings; if it is the same, moved, `lifeboat \
             backup` on the machine says how to go on"
                .into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hint_names_an_option_of_a_command() {
        let exists = StageError::TargetExists { path: "/srv/x.db".into() };
        let told = explained(About::Restore)(Error::Stage(exists));
        let hint = told.body().hint.clone().expect("there is one");
        assert!(hint.contains("file_name") && !hint.contains("--"), "{hint}");
    }
}
