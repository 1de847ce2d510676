//! Errors as the interface tells them.

use lifeboat_http::Problem;

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
        let problem = match hint(&error) {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        };
        if safety(&error, about).0 { problem } else { problem.data_may_be_hurt() }
    }
}
