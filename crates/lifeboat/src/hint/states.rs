//! What to do where no state is meant by what was asked for.

use lifeboat_repository::{NearState, ResolveError};

pub(super) fn of_resolve(error: &ResolveError) -> Option<String> {
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
        ResolveError::NotCovered { nearest, .. } if nearest.is_empty() => return None,
        ResolveError::NotCovered { nearest, .. } => {
            let states: Vec<String> = nearest.iter().map(near_state).collect();
            format!(
                "the nearest: {}; `lifeboat timeline` shows what there is, and without --at the \
                 latest is restored",
                states.join(", ")
            )
        }
        ResolveError::Ambiguous { matches, .. } => {
            let ids: Vec<&str> = matches.iter().map(|id| id.as_str()).collect();
            format!("it could be {}", ids.join(", "))
        }
        _ => return None,
    })
}

fn near_state(near: &NearState) -> String {
    let time = near.at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    match (near.commit, &near.snapshot) {
        (Some(commit), _) => format!("{time} (commit {commit})"),
        (None, Some(snapshot)) => format!("{time} (snapshot {snapshot})"),
        (None, None) => time,
    }
}
