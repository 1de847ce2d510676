//! What can be done about links that cannot be compared or mended.

use lifeboat_links::LinksError;

pub(super) fn hint(error: &LinksError) -> Option<String> {
    Some(match error {
        LinksError::Rule { .. } => "mend the rule in [[links]]; docs/links.md has examples".into(),
        LinksError::Store(error) => error.hint().into(),
        LinksError::Doubtful { storage: true, .. } => {
            "nothing is mended by a store that cannot be believed; try again later".into()
        }
        LinksError::Doubtful { .. } => "docs/links.md says what to do about it".into(),
        LinksError::Unexpected { found, option, .. } => format!(
            "is it the right bucket, and the right database? {option} {found} says that so many \
             are meant"
        ),
        LinksError::Scratch { .. } => {
            "LIFEBOAT_CACHE_DIR names a directory with room for all keys".into()
        }
        LinksError::Begin { .. } => "try again when nobody holds the database exclusively".into(),
        _ => return None,
    })
}
