//! `lifeboat restore --all`: every database of a repository.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lifeboat::remote::without_secrets;
use lifeboat::repository::Selector;
use lifeboat::{Missing, OneOfAll, Outcome, RestoreAllSettings};

use crate::arguments::{Arguments, RestoreArguments};
use crate::exit::Exit;
use crate::progress::{self, Style};
use crate::report::{AllBrought, Reporter};
use lifeboat::hint::About;

pub(super) async fn run(
    arguments: &Arguments,
    restore: &RestoreArguments,
    folder: &Path,
    selector: &Selector,
    reporter: &Reporter,
) -> Exit {
    let started = Instant::now();
    // Bars of several at once would draw over each other.
    let style = match reporter.progress() {
        Style::Bars => Style::Plain,
        style => style,
    };
    let mut settings = RestoreAllSettings::default();
    settings.check = restore.check;
    settings.force = restore.force;
    settings.progress = Some(Arc::new(move |name: &str| progress::show(style, name)));
    let done = async {
        let each = |one: &OneOfAll| reporter.one_of_all(one);
        if crate::commands::has_several(arguments) {
            let all = crate::commands::destinations(arguments);
            let (restored, causes) = all.restore_all(folder, selector, &settings, each).await?;
            let shown: Vec<String> =
                all.settings().map(|place| without_secrets(&place.place)).collect();
            return Ok((shown.join(", "), all.requests(), restored, causes));
        }
        let destination = crate::commands::open(arguments, Missing::Refuse).await?;
        let all = destination.restore_all(folder, selector, &settings, each).await?;
        let requests = destination.repository().remote().requests();
        Ok((destination.shown().to_owned(), requests, all, Vec::new()))
    };
    match done.await {
        Ok((destination, requests, all, causes)) => {
            for cause in &causes {
                reporter.warn(&format!("not asked for databases: {cause}"));
            }
            for one in all.iter().filter(|one| !one.failed.is_empty()) {
                reporter.note(&format!("{}:", one.name));
                let elsewhere = match &one.outcome {
                    Ok(Outcome::Restored(report)) => report.from_elsewhere.as_slice(),
                    _ => &[],
                };
                crate::commands::tell_detours(reporter, &one.failed, elsewhere);
            }
            let exits: Vec<Exit> = all.iter().map(exit_of).collect();
            let exit = Exit::of_all(&exits);
            let mut order: Vec<(Exit, OneOfAll)> = exits.into_iter().zip(all).collect();
            // The worst first; the names stay in order.
            order.sort_by_key(|(exit, _)| severity(*exit));
            reporter.all_restored(&AllBrought {
                all: &order,
                folder,
                destination: &destination,
                requests,
                duration: started.elapsed(),
                exit,
            });
            exit
        }
        Err(error) => reporter.error("", &error, About::Restore),
    }
}

fn exit_of(one: &OneOfAll) -> Exit {
    match &one.outcome {
        Ok(_) => Exit::Ok,
        Err(error) => Exit::of(error.kind()),
    }
}

fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Damage => 0,
        Exit::Ok => 3,
        Exit::Refused => 2,
        _ => 1,
    }
}
