//! `lifeboat restore`: bring a database back.

use std::path::Path;
use std::time::Instant;

use lifeboat::repository::Selector;
use lifeboat::{Missing, RestoreSettings};

use crate::arguments::{Arguments, Refusal, RestoreArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::progress;
use crate::report::{Brought, Reporter};
use crate::targets::name_of_path;
use crate::when;

pub(crate) async fn run(
    arguments: &Arguments,
    restore: &RestoreArguments,
    reporter: &Reporter,
) -> Exit {
    let selector = match selector(restore, reporter) {
        Ok(selector) => selector,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let name = name_of(arguments, &restore.name);
    let started = Instant::now();
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let mut settings = RestoreSettings::default();
        settings.check = restore.check;
        settings.expect = restore.expect;
        settings.progress = progress::show(reporter.progress(), &name);
        let announce = |snapshot: &_| reporter.will_restore(&name, snapshot);
        let report =
            destination.restore(&name, &selector, &restore.target, &settings, announce).await?;
        Ok((destination, report))
    };
    match done.await {
        Ok((destination, report)) => {
            reporter.restored(&Brought {
                report: &report,
                name: &name,
                destination: destination.shown(),
                target: &restore.target,
                requests: destination.repository().remote().requests(),
                duration: started.elapsed(),
            });
            Exit::Ok
        }
        Err(error) => reporter.error(&name, &error, About::Restore),
    }
}

/// The name under which a database is backed up, where its path was given.
pub(crate) fn name_of(arguments: &Arguments, text: &str) -> String {
    let path = Path::new(text);
    if text.contains('/') || path.is_file() {
        name_of_path(path, arguments.setup())
    } else {
        text.to_owned()
    }
}

fn selector(restore: &RestoreArguments, reporter: &Reporter) -> Result<Selector, Refusal> {
    if let Some(at) = &restore.at {
        let moment = when::parse(at, &jiff::Zoned::now()).ok_or_else(|| Refusal {
            exit: Exit::Usage,
            message: format!("{at:?} is not a time"),
            hint: "such as 2026-11-20T10:15:00Z, \"2026-11-20 10:15\", \"yesterday 14:00\" or \
                   \"10 minutes ago\""
                .into(),
        })?;
        reporter.say(&format!("at {}", moment.echo));
        return Ok(Selector::At(moment.time));
    }
    named(restore.snapshot.as_deref())
}

/// The snapshot that a word names.
pub(crate) fn named(word: Option<&str>) -> Result<Selector, Refusal> {
    let text = word.unwrap_or("latest");
    Selector::parse(text).ok_or_else(|| Refusal {
        exit: Exit::Usage,
        message: format!("{text:?} is not a snapshot"),
        hint: "latest, latest~N, an id or the beginning of one; `lifeboat snapshots` lists them"
            .into(),
    })
}
