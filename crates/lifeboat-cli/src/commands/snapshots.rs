//! `lifeboat snapshots`: what there is.

use lifeboat::{Error, Merged, Missing};

use super::restore::name_of;
use crate::arguments::{Arguments, SnapshotsArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::{Listed, Reporter};

pub(crate) async fn run(
    arguments: &Arguments,
    list: &SnapshotsArguments,
    reporter: &Reporter,
) -> Exit {
    let several = arguments.setup().places().len() + arguments.setup().mirrors().len() > 1;
    let read = match list.expect {
        // A number is of one destination.
        None if several => of_all(arguments, list, reporter).await,
        _ => of_one(arguments, list).await,
    };
    let (all, shown) = match read {
        Ok(read) => read,
        Err(error) => return reporter.error("", &error, About::Reading),
    };
    let damaged =
        all.iter().any(|one| !one.merged.broken.is_empty() || !one.merged.burnt.is_empty());
    let exit = if damaged { Exit::Damage } else { Exit::Ok };
    reporter.snapshots(&all, &shown, exit);
    exit
}

async fn of_one(
    arguments: &Arguments,
    list: &SnapshotsArguments,
) -> Result<(Vec<Listed>, String), Error> {
    let destination = super::open(arguments, Missing::Refuse).await?;
    let names = super::names(arguments, &destination, list.name.as_deref()).await?;
    let mut all = Vec::new();
    for name in names {
        let inventory = destination.inventory(&name, list.expect).await?;
        let merged = Merged::of([(destination.shown().to_owned(), inventory)]);
        all.push(Listed { name, merged });
    }
    Ok((all, destination.shown().to_owned()))
}

/// The snapshots of all destinations together. One that does not answer is told:
/// what only it has is not shown.
async fn of_all(
    arguments: &Arguments,
    list: &SnapshotsArguments,
    reporter: &Reporter,
) -> Result<(Vec<Listed>, String), Error> {
    let destinations = super::destinations(arguments);
    let (names, mut troubles) = match list.name.as_deref() {
        Some(name) => (vec![name_of(arguments, name)], Vec::new()),
        None => destinations.databases().await?,
    };
    let mut all = Vec::new();
    for name in names {
        let (merged, causes) = destinations.inventory(&name).await?;
        if troubles.is_empty() {
            troubles = causes;
        }
        all.push(Listed { name, merged });
    }
    for cause in &troubles {
        reporter.warn(&format!("what is only there is not shown: {cause}"));
    }
    let places: Vec<&str> = destinations.settings().map(|one| one.name.as_str()).collect();
    Ok((all, places.join(", ")))
}
