//! `lifeboat restore --all`: every database of a repository.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lifeboat::repository::Selector;
use lifeboat::{Missing, OneOfAll, RestoreAllSettings};

use crate::arguments::{Arguments, RestoreArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::progress::{self, Style};
use crate::report::{AllBrought, Reporter};

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
        let destination = crate::commands::open(arguments, Missing::Refuse).await?;
        let each = |one: &OneOfAll| reporter.one_of_all(one);
        let all = destination.restore_all(folder, selector, &settings, each).await?;
        Ok((destination, all))
    };
    match done.await {
        Ok((destination, all)) => {
            let exits: Vec<Exit> = all.iter().map(exit_of).collect();
            let exit = Exit::of_all(&exits);
            let mut order: Vec<(Exit, OneOfAll)> = exits.into_iter().zip(all).collect();
            // The worst first; the names stay in order.
            order.sort_by_key(|(exit, _)| severity(*exit));
            reporter.all_restored(&AllBrought {
                all: &order,
                folder,
                destination: destination.shown(),
                requests: destination.repository().remote().requests(),
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
