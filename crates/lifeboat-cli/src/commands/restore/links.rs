//! After a restore: whether the objects that the database mentions are there.

use std::path::Path;
use std::time::Duration;

use lifeboat::links;
use serde_json::json;

use crate::arguments::{Arguments, RestoreArguments};
use crate::exit::Exit;
use crate::report::{Reporter, causes};
use crate::text::{count, several, shown};

/// So many objects are asked for, unless all are meant.
const SOME: usize = 1000;

/// For so long: the restore itself is done, and somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many that are missing are named.
const NAMED: usize = 5;

/// Asks, where rules are about this database, and says what is missing. That is a
/// part of the exit only where it was asked for: the restore itself is done.
pub(super) async fn audit(
    arguments: &Arguments,
    restore: &RestoreArguments,
    name: &str,
    path: &Path,
    reporter: &Reporter,
) -> Exit {
    let setup = arguments.setup();
    let settings = setup.configuration().settings();
    if restore.no_links || !settings.links.iter().any(|links| links.database == name) {
        return Exit::Ok;
    }
    let (limit, patience) = if restore.links { (usize::MAX, None) } else { (SOME, Some(PATIENCE)) };
    let asked = links::audit(settings, name, path, &setup.directories(), limit, patience).await;
    let all = match asked {
        Ok(all) => all,
        Err(error) => {
            reporter.warn(&format!(
                "whether the objects that {name} mentions are there is not known: failed to {}",
                causes(&error)
            ));
            return if restore.links { Exit::PartlyDone } else { Exit::Ok };
        }
    };
    let mut exit = Exit::Ok;
    for one in all {
        let sampled = &one.sampled;
        let object = json!({
            "database": name,
            "store": one.shown,
            "mentions": sampled.mentions,
            "asked": sampled.asked,
            "all": sampled.all,
            "missing": sampled.missing.len(),
            "missing_keys": sampled.missing,
            "unanswered": sampled.unanswered.count,
        });
        let of = match sampled.all {
            true => format!("all {} that {name} mentions", several(sampled.asked, "object")),
            false => format!("{} of the objects that {name} mentions", count(sampled.asked)),
        };
        let mut line = match sampled.missing.len() {
            0 if sampled.unanswered.count == 0 => format!("{}: {of} are there", one.shown),
            missing => format!("{}: of {of}, {} missing", one.shown, count(missing as u64)),
        };
        if sampled.unanswered.count > 0 {
            line.push_str(&format!(
                "; the store did not say so of {}, as of {}",
                count(sampled.unanswered.count),
                shown(&sampled.unanswered.example)
            ));
        }
        for key in sampled.missing.iter().take(NAMED) {
            line.push_str(&format!("\n  missing: {}", shown(key)));
        }
        if !sampled.missing.is_empty() {
            line.push_str(
                "\n  `lifeboat links fix --bring-back` says what can be had from another place or \
                 an earlier version, and with --apply puts it back; `lifeboat links check` finds all",
            );
        }
        let is_kept = |links: &lifeboat::config::Links| links.database == name && links.backup;
        if !sampled.missing.is_empty() && settings.links.iter().any(is_kept) {
            line.push_str("\n  --media puts back what the snapshot has of them");
        }
        reporter.found("links", object, &line);
        if restore.links && !sampled.missing.is_empty() {
            exit = Exit::Damage;
        } else if restore.links && sampled.unanswered.count > 0 {
            exit = Exit::PartlyDone;
        }
    }
    exit
}
