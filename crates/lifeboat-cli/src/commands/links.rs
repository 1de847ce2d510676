//! `lifeboat links`: the objects that databases mention, and the buckets that hold
//! them.

mod act;
mod found;

use std::fs::File;

use lifeboat::Error;
use lifeboat::hint::About;
use lifeboat::links::{Checked, Form, LinkedDatabase, Links, ListOfKeys, StoreLinks};
use lifeboat::remote::RemoteOptions;
use lifeboat::setup::Target;
use serde_json::json;

use crate::arguments::{Arguments, LinksArguments, LinksCommand, ListArguments, Refusal};
use crate::exit::Exit;
use crate::out::errln;
use crate::report::Reporter;
use found::Printed;

/// What a command did, as far as it came.
#[derive(Debug)]
enum Stopped {
    Failed(Error),
    Refused(Refusal),
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn run(
    arguments: &Arguments,
    links: &LinksArguments,
    reporter: &Reporter,
) -> Exit {
    let command = Command { arguments, reporter, csv: links.csv };
    let done = match &links.command {
        LinksCommand::Check { create_test, remove_test, list } => {
            command.check(*create_test, *remove_test, list).await
        }
        LinksCommand::Fix { .. } => command.fix(&links.command).await,
        LinksCommand::Clean { undo: Some(name), .. } => command.undo(name.as_deref()).await,
        LinksCommand::Clean { .. } => command.clean(&links.command).await,
    };
    match done {
        Ok(exit) => exit,
        Err(Stopped::Failed(error)) => reporter.error("", &error, About::Links),
        Err(Stopped::Refused(refusal)) => {
            reporter.refuse(&refusal);
            refusal.exit
        }
    }
}

struct Command<'a> {
    arguments: &'a Arguments,
    reporter: &'a Reporter,
    csv: bool,
}

impl Command<'_> {
    async fn check(
        &self,
        create: bool,
        remove: bool,
        list: &ListArguments,
    ) -> Result<Exit, Stopped> {
        let links = self.open(Some(list)).await?;
        if create {
            return self.create_test(&links).await;
        }
        let mut all = self.compare(&links).await?;
        if remove {
            return self.remove_tests(&links, &all).await;
        }
        self.print(&links, &mut all)?;
        let exit = exit_of(&all);
        self.reporter.summary(found::summary(&all, exit));
        Ok(exit)
    }

    async fn create_test(&self, links: &Links) -> Result<Exit, Stopped> {
        let mut made = Vec::new();
        for store in links.stores() {
            if let Some(key) = store.create_test().await? {
                let line = format!("{}: {key} is there, and a row that mentions it", store.shown);
                let object = json!({ "store": store.shown, "key": key });
                self.found("test", object, &line);
                made.push(key);
            }
        }
        if made.is_empty() {
            return Err(Stopped::Refused(Refusal {
                exit: Exit::Usage,
                message: "no rule says how a test's row is inserted".into(),
                hint: "set probe_insert of [[links]], such as \"INSERT INTO documents (file_key) \
                       VALUES (:key)\""
                    .into(),
            }));
        }
        self.say("every `lifeboat links check` says from now on whether both survived");
        self.reporter.summary(json!({ "tests": made, "code": 0 }));
        Ok(Exit::Ok)
    }

    async fn remove_tests(&self, links: &Links, all: &[Checked]) -> Result<Exit, Stopped> {
        let mut removed = Vec::new();
        for (store, checked) in links.stores().iter().zip(all) {
            store.remove_tests(checked).await?;
            removed.extend(checked.probes.iter().map(|probe| probe.key.clone()));
        }
        for key in &removed {
            self.say(&format!("{key} is gone, and its row"));
        }
        if removed.is_empty() {
            self.say("there is no test");
        }
        self.reporter.summary(json!({ "tests_removed": removed, "code": 0 }));
        Ok(Exit::Ok)
    }

    async fn undo(&self, name: Option<&str>) -> Result<Exit, Stopped> {
        let links = self.open(None).await?;
        let mut exits = Vec::new();
        let mut back = 0;
        for store in links.stores() {
            let Some(report) = store.bring_back(name).await? else { continue };
            back += report.back;
            let line = format!(
                "{}: {} of {} back",
                store.shown,
                crate::text::several(report.back, "object"),
                report.run
            );
            let object = json!({ "store": store.shown, "run": report.run, "back": report.back });
            self.found("brought_back", object, &line);
            for (key, why) in &report.failed {
                self.reporter.warn(&format!("{key} stays in quarantine: {why}"));
            }
            exits.push(if report.failed.is_empty() { Exit::Ok } else { Exit::PartlyDone });
        }
        if exits.is_empty() {
            return Err(Stopped::Refused(Refusal {
                exit: Exit::Refused,
                message: match name {
                    Some(name) => format!("nothing was moved to quarantine under {name:?}"),
                    None => "nothing is in quarantine".into(),
                },
                hint: "`lifeboat links clean --apply` prints the name under which it is taken back"
                    .into(),
            }));
        }
        let exit = Exit::of_all(&exits);
        self.reporter.summary(json!({ "back": back, "code": exit.code() }));
        Ok(exit)
    }

    /// The rules of the settings, or the list that was given.
    async fn open(&self, list: Option<&ListArguments>) -> Result<Links, Stopped> {
        let setup = self.arguments.setup();
        let directories = setup.directories();
        if let Some(list) = list
            && let (Some(keys), Some(url)) = (&list.keys, &list.store)
        {
            let reader: Box<dyn std::io::Read + Send> = match keys.to_str() {
                Some("-") => Box::new(std::io::stdin()),
                _ => Box::new(
                    File::open(keys)
                        .map_err(|source| Error::Path { path: keys.clone(), source })?,
                ),
            };
            let mut form = Form::default();
            form.prefix = list.key_prefix.clone().unwrap_or_default();
            form.bases.clone_from(&list.url_base);
            let mut given = ListOfKeys::default();
            given.on_broken.clone_from(&list.on_broken);
            given.column.clone_from(&list.column);
            given.id.clone_from(&list.id_column);
            given.form = form;
            let options = RemoteOptions::default();
            return Ok(Links::of_list(given, reader, url, options, &directories).await?);
        }
        let settings = setup.configuration().settings();
        if settings.links.is_empty() {
            return Err(Stopped::Refused(Refusal {
                exit: Exit::Usage,
                message: "no [[links]] are set".into(),
                hint: "docs/links.md shows how columns and buckets are named; --keys takes a list"
                    .into(),
            }));
        }
        let databases = databases(self.arguments).map_err(Stopped::Refused)?;
        Ok(Links::open(settings, &databases, &directories).await?)
    }

    async fn compare(&self, links: &Links) -> Result<Vec<Checked>, Stopped> {
        let mut all = Vec::new();
        for store in links.stores() {
            all.push(store.check().await?);
        }
        Ok(all)
    }

    /// Prints what was found, in the form that was asked for.
    /// A line for people; in a table it would be a row.
    fn say(&self, line: &str) {
        match self.csv {
            true => errln!("{line}"),
            false => self.reporter.say(line),
        }
    }

    /// An object for programs, or a line for people.
    fn found(&self, kind: &str, object: serde_json::Value, line: &str) {
        match self.csv {
            true => errln!("{line}"),
            false => self.reporter.found(kind, object, line),
        }
    }

    fn print(&self, links: &Links, all: &mut [Checked]) -> Result<(), Stopped> {
        let mut printed = Printed::new(self.reporter, self.csv);
        for (store, checked) in links.stores().iter().zip(all) {
            printed.findings(store, checked)?;
            printed.counts(store, checked);
        }
        Ok(())
    }
}

/// The databases that rules are about.
fn databases(arguments: &Arguments) -> Result<Vec<LinkedDatabase>, Refusal> {
    let targets = arguments.setup().named(&[])?.into_iter();
    let database = |target: Target| {
        LinkedDatabase::new(target.name, target.path).with_destinations(target.places)
    };
    Ok(targets.map(database).collect())
}

/// How a comparison ends: a store that does not answer hides what is wrong.
fn exit_of(all: &[Checked]) -> Exit {
    let exits: Vec<Exit> = all
        .iter()
        .map(|checked| {
            let counts = checked.all();
            match checked.is_well() {
                true => Exit::Ok,
                false
                    if counts.unknown > 0
                        && counts.broken + counts.wrong_size + counts.wrong_digest == 0
                        && checked.orphaned + counts.unusable == 0 =>
                {
                    Exit::Storage
                }
                false => Exit::Damage,
            }
        })
        .collect();
    match exits.iter().find(|exit| **exit == Exit::Damage) {
        Some(damage) => *damage,
        None => exits.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok),
    }
}

/// What people call a rule, with its database.
fn rule_of(store: &StoreLinks, rule: Option<usize>) -> (&str, Option<&str>) {
    match rule.and_then(|rule| store.rules.get(rule)) {
        Some(rule) => (&rule.name, rule.database.as_deref()),
        None => ("", None),
    }
}
