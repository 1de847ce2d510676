//! `lifeboat key`: what opens an encrypted repository.

mod kit;

use lifeboat::crypto::{RawKey, Secret};
use lifeboat::repository::{KeyError, ReadError, Repository, SlotHolder};
use lifeboat::{Error, Missing};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::{Arguments, KeyCommand, Refusal, RotateArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::Reporter;
use crate::secrets;
use crate::text::{age, utc};

/// Why a command goes no further: refused before anything was done, or failed.
enum Stop {
    Refused(Refusal),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn run(arguments: &Arguments, key: &KeyCommand, reporter: &Reporter) -> Exit {
    let done = match key {
        KeyCommand::Generate => {
            generate(reporter);
            Ok(())
        }
        KeyCommand::List => list(arguments, reporter).await,
        KeyCommand::Add(new) => {
            async {
                let new_one = secrets::new_one(new).map_err(Stop::Refused)?;
                let repository = open(arguments).await?;
                let id = repository.add_secret(&new_one, &new.label).await?;
                let line = format!("added {id}; it opens everything in the repository");
                reporter.told(json!({ "added": id, "label": new.label }), &[line]);
                Ok(())
            }
            .await
        }
        KeyCommand::Remove { id } => remove(arguments, id, reporter).await,
        KeyCommand::Rotate(rotate) if rotate.data_key => {
            new_data_key(arguments, rotate.only_this_key, reporter).await
        }
        KeyCommand::Rotate(rotate) => replace(arguments, rotate, reporter).await,
        KeyCommand::Kit { output, new_key } => {
            kit::print(arguments, output.as_deref(), *new_key, reporter).await
        }
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(Stop::Refused(refusal)) => {
            reporter.refuse(&refusal);
            refusal.exit
        }
        Err(Stop::Failed(error)) => reporter.error("", &error, About::Reading),
    }
}

async fn open(arguments: &Arguments) -> Result<Repository, Stop> {
    Ok(super::open(arguments, Missing::Refuse).await?.repository().clone())
}

/// The secret that opened the repository.
fn in_use(arguments: &Arguments) -> Result<Secret, Stop> {
    let plain = || Stop::from(ReadError::from(KeyError::Plain));
    arguments.secret.clone().ok_or_else(plain)
}

fn generate(reporter: &Reporter) {
    let key = RawKey::generate().to_text();
    reporter.told(json!({ "key": *key }), &[key.to_string()]);
}

async fn list(arguments: &Arguments, reporter: &Reporter) -> Result<(), Stop> {
    let repository = open(arguments).await?;
    let holders = repository.slot_holders().await.map_err(Error::from)?;
    let mine = repository.holder_of(&in_use(arguments)?).await.map_err(Error::from)?;
    let is_mine = |holder: &SlotHolder| mine.as_ref().is_some_and(|mine| mine.id == holder.id);
    let objects: Vec<_> = holders
        .iter()
        .map(|holder| {
            json!({
                "id": holder.id,
                "kind": holder.kind,
                "label": holder.label,
                "created_at": holder.created_at.map(utc),
                "opens_newest": holder.opens_newest,
                "in_use": is_mine(holder),
            })
        })
        .collect();
    let now = OffsetDateTime::now_utc();
    let mut lines =
        vec![format!("{:<10} {:<11} {:<20} {:<16} OPENS", "ID", "KIND", "LABEL", "ADDED")];
    for holder in &holders {
        let added = holder.created_at.map_or_else(String::new, |time| age(time, now));
        let opens = if holder.opens_newest { "everything" } else { "older snapshots only" };
        let mine = if is_mine(holder) { " (in use)" } else { "" };
        lines.push(format!(
            "{:<10} {:<11} {:<20} {:<16} {opens}{mine}",
            holder.id, holder.kind, holder.label, added
        ));
    }
    reporter.told(json!({ "keys": objects }), &lines);
    Ok(())
}

async fn remove(arguments: &Arguments, id: &str, reporter: &Reporter) -> Result<(), Stop> {
    let repository = open(arguments).await?;
    let mine = repository.holder_of(&in_use(arguments)?).await.map_err(Error::from)?;
    let removed = repository.remove_holder(id).await?;
    if mine.is_some_and(|mine| mine.id == removed.id) {
        reporter.warn("this was the key in use: configure another one");
    }
    let lines = [
        format!("removed {}; it opens the repository no longer", removed.id),
        "who copied the repository before and has that key can still read the copy; \
         `lifeboat key rotate --data-key --only-this-key` keeps what is written from now on from them"
            .to_owned(),
    ];
    reporter.told(json!({ "removed": removed.id, "label": removed.label }), &lines);
    Ok(())
}

/// Adds the new secret, sees that it opens everything, and only then removes
/// the old one.
async fn replace(
    arguments: &Arguments,
    rotate: &RotateArguments,
    reporter: &Reporter,
) -> Result<(), Stop> {
    let new_one = secrets::new_one(&rotate.new).map_err(Stop::Refused)?;
    let repository = open(arguments).await?;
    let old = repository.holder_of(&in_use(arguments)?).await.map_err(Error::from)?;
    let id = repository.add_secret(&new_one, &rotate.new.label).await?;
    let (remote, local) = (repository.remote().clone(), repository.local().clone());
    let reopened =
        Repository::open_with(remote, local, Some(&new_one)).await.map_err(Error::from)?;
    let removed = match old {
        Some(old) => Some(reopened.remove_holder(&old.id).await?.id),
        None => None,
    };
    let lines = [
        format!("{id} opens the repository now; configure it from here on"),
        match &removed {
            Some(old) => format!("removed {old}; sheets printed with it are of no use any more"),
            None => "nothing was removed: the key in use has no slot of its own".to_owned(),
        },
    ];
    reporter.told(json!({ "added": id, "removed": removed }), &lines);
    Ok(())
}

async fn new_data_key(
    arguments: &Arguments,
    only_this_key: bool,
    reporter: &Reporter,
) -> Result<(), Stop> {
    let repository = open(arguments).await?;
    let secret = in_use(arguments)?;
    let repository = repository.begin_data_key(&secret, only_this_key).await?;
    let holders = repository.slot_holders().await.map_err(Error::from)?;
    let out: Vec<&SlotHolder> = holders.iter().filter(|holder| !holder.opens_newest).collect();
    let mut lines = vec![
        "from the next snapshot on, a new data key is used; what is stored stays as it is"
            .to_owned(),
    ];
    for holder in &out {
        lines.push(format!("{} {:?} opens older snapshots only", holder.id, holder.label));
    }
    let ids: Vec<&str> = out.iter().map(|holder| holder.id.as_str()).collect();
    reporter.told(json!({ "data_key": "new", "left_out": ids }), &lines);
    Ok(())
}
