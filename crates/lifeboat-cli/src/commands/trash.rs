//! `lifeboat undelete`, `pin`, `unpin`: changes of state that move no data.

use lifeboat::format::numbers::RecordNo;
use lifeboat::repository::{ResolveError, TrashedSnapshot};
use lifeboat::{Destination, Error, Missing};
use serde_json::json;

use super::restore::{name_of, named};
use crate::arguments::{Arguments, PickArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::several;
use lifeboat::hint::About;

pub(crate) async fn undelete(
    arguments: &Arguments,
    pick: &PickArguments,
    reporter: &Reporter,
) -> Exit {
    let name = name_of(arguments, &pick.name);
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let database = destination.database(&name)?;
        let trash = database.trashed().await?;
        let mut numbers = Vec::new();
        for word in &pick.snapshots {
            numbers.push(in_trash(&trash, word)?);
        }
        numbers.sort();
        numbers.dedup();
        database.undelete(&numbers).await?;
        Ok(numbers)
    };
    tell(reporter, &name, "undelete", "brought back", done.await)
}

/// The one in the trash whose id begins like this.
fn in_trash(trash: &[TrashedSnapshot], word: &str) -> Result<RecordNo, Error> {
    let id = |one: &TrashedSnapshot| one.snapshot.as_ref().map(|snapshot| snapshot.id().clone());
    let is_it = |one: &&TrashedSnapshot| {
        id(one).is_some_and(|id| id.as_str().starts_with(word))
            || id(one).is_none() && one.trashed.number.to_string() == word
    };
    let found: Vec<&TrashedSnapshot> = trash.iter().filter(is_it).collect();
    match found[..] {
        [one] => Ok(one.trashed.number),
        [] => {
            let asked = format!("{word} in the trash");
            let nearest = trash.iter().rev().filter_map(id).take(3).collect();
            Err(ResolveError::NotFound { asked, nearest }.into())
        }
        _ => {
            let matches = found.iter().filter_map(|one| id(one)).collect();
            Err(ResolveError::Ambiguous { asked: word.to_owned(), matches }.into())
        }
    }
}

pub(crate) async fn pin(
    arguments: &Arguments,
    pick: &PickArguments,
    pinned: bool,
    reporter: &Reporter,
) -> Exit {
    let name = name_of(arguments, &pick.name);
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let numbers = picked(&destination, &name, &pick.snapshots).await?;
        let database = destination.database(&name)?;
        if pinned {
            database.pin(&numbers).await?;
        } else {
            database.unpin(&numbers).await?;
        }
        Ok(numbers)
    };
    let (command, word) = if pinned { ("pin", "pinned") } else { ("unpin", "no longer pinned") };
    tell(reporter, &name, command, word, done.await)
}

async fn picked(
    destination: &Destination,
    name: &str,
    words: &[String],
) -> Result<Vec<RecordNo>, Error> {
    let mut numbers = Vec::new();
    for word in words {
        let selector = named(Some(word)).map_err(|_| {
            let (asked, nearest) = (word.clone(), Vec::new());
            Error::from(ResolveError::NotFound { asked, nearest })
        })?;
        numbers.push(destination.resolve(name, &selector).await?.number());
    }
    numbers.sort();
    numbers.dedup();
    Ok(numbers)
}

fn tell(
    reporter: &Reporter,
    name: &str,
    command: &str,
    word: &str,
    done: Result<Vec<RecordNo>, Error>,
) -> Exit {
    match done {
        Ok(numbers) => {
            let sequences: Vec<u64> = numbers.iter().map(|number| number.0).collect();
            let object = json!({ "database": name, "command": command, "sequences": sequences });
            let line = format!("{name}: {} {word}", several(numbers.len() as u64, "snapshot"));
            reporter.told(object, &[line]);
            Exit::Ok
        }
        Err(error) => reporter.error(name, &error, About::Reading),
    }
}
