//! `lifeboat key`: what opens an encrypted repository.

mod kit;

use lifeboat::crypto::{RawKey, Secret};
use lifeboat::repository::{KeyError, Opens, ReadError, Repository, SlotHolder, WriteError};
use lifeboat::{Error, Missing};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::{Arguments, KeyCommand, Refusal, RotateArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::secrets;
use crate::text::{age, shown, utc};
use lifeboat::hint::About;

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
        KeyCommand::Generate => generate(reporter),
        KeyCommand::List => list(arguments, reporter).await,
        KeyCommand::Add(new) => {
            async {
                let new_one = secrets::new_one(new).map_err(Stop::Refused)?;
                let repository = open(arguments).await?;
                warn_of(&new_one, reporter);
                let added = repository.add_secret(&new_one, &new.label).await?;
                if !added.missing {
                    return Err(Stop::from(WriteError::from(KeyError::AlreadyThere)));
                }
                let id = added.holder;
                let line = format!("added {id}; {}", what_it_opens(&repository, &id).await?);
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

fn warn_of(secret: &Secret, reporter: &Reporter) {
    if let Some(why) = secrets::weakness(secret) {
        reporter.warn(&why);
    }
}

/// What a holder opens, in words.
async fn what_it_opens(repository: &Repository, id: &str) -> Result<&'static str, Stop> {
    let holders = repository.slot_holders().await.map_err(Error::from)?;
    let holder = holders.iter().find(|holder| holder.id == id);
    Ok(match holder.map(|holder| holder.opens) {
        Some(Opens::Everything) | None => "it opens everything in the repository",
        _ => "it opens what the key in use opens, which is not all that was written before",
    })
}

/// What a column says of it.
fn opens(holder: &SlotHolder) -> &'static str {
    match holder.opens {
        Opens::Everything => "everything",
        Opens::NotAllOfThePast => "not all of the past",
        _ => "only the past",
    }
}

fn generate(reporter: &Reporter) -> Result<(), Stop> {
    let key = RawKey::generate().to_text();
    reporter.hand_over(json!({ "key": *key }), &key).map_err(|error| not_printed(&error))
}

/// What was to be printed reached nobody.
fn not_printed(error: &std::io::Error) -> Stop {
    Stop::Refused(Refusal {
        exit: Exit::Failed,
        message: format!("failed to print it: {error}"),
        hint: "see where standard output leads, then run the command again".into(),
    })
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
                "opens": opens(holder),
                "in_use": is_mine(holder),
            })
        })
        .collect();
    let now = OffsetDateTime::now_utc();
    let mut lines =
        vec![format!("{:<10} {:<11} {:<20} {:<16} OPENS", "ID", "KIND", "LABEL", "ADDED")];
    for holder in &holders {
        let added = holder.created_at.map_or_else(String::new, |time| age(time, now));
        let opens = opens(holder);
        let mine = if is_mine(holder) { " (in use)" } else { "" };
        lines.push(format!(
            "{:<10} {:<11} {:<20} {:<16} {opens}{mine}",
            holder.id,
            holder.kind,
            shown(&holder.label),
            added
        ));
    }
    reporter.told(json!({ "keys": objects }), &lines);
    Ok(())
}

async fn remove(arguments: &Arguments, id: &str, reporter: &Reporter) -> Result<(), Stop> {
    let repository = open(arguments).await?;
    let mine = repository.holder_of(&in_use(arguments)?).await.map_err(Error::from)?;
    let is_meant = |mine: &SlotHolder| mine.id.starts_with(id) || mine.label == id;
    let holders = repository.slot_holders().await.map_err(Error::from)?;
    let alone = holders.iter().filter(|holder| is_meant(holder)).count() == 1;
    // Of every other key nobody knows here whether somebody still has it.
    if alone && holders.len() > 1 && mine.as_ref().is_some_and(is_meant) {
        return Err(Stop::Refused(Refusal {
            exit: Exit::Usage,
            message: format!("failed to remove {id}, which is the key in use"),
            hint: "remove it with another key in use, which proves that the other one works; \
                   `lifeboat key rotate` replaces it by a new one"
                .into(),
        }));
    }
    let removed = repository.remove_holder(id).await?;
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
    warn_of(&new_one, reporter);
    let in_use = in_use(arguments)?;
    let (id, removed) = repository.replace_secret(&in_use, &new_one, &rotate.new.label).await?;
    let removed = removed.map(|holder| holder.id);
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
    let out: Vec<&SlotHolder> =
        holders.iter().filter(|holder| holder.opens == Opens::OnlyThePast).collect();
    let mut lines = vec![
        "from the next snapshot on, a new data key is used; what is stored stays as it is"
            .to_owned(),
    ];
    for holder in &out {
        lines.push(format!(
            "{} {} opens the repository no longer, only copies of what was stored before",
            holder.id,
            shown(&holder.label)
        ));
    }
    let ids: Vec<&str> = out.iter().map(|holder| holder.id.as_str()).collect();
    reporter.told(json!({ "data_key": "new", "left_out": ids }), &lines);
    Ok(())
}
