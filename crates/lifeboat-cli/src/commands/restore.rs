//! `lifeboat restore`: bring databases back.

mod all;
mod in_place;
mod links;
mod media;
mod salvage;

use std::path::Path;
use std::time::Instant;

use lifeboat::format::id::SnapshotId;
use lifeboat::format::log::CommitNo;
use lifeboat::repository::{HealExtent, Selector};
use lifeboat::{
    Destination, Error, Missing, Place, PlannedRestore, ReadAs, RestoreSettings, Whole,
};

use crate::arguments::{Arguments, Refusal, RestoreArguments};
use crate::exit::Exit;
use crate::progress;
use crate::report::{Brought, Reporter};
use crate::when;
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    restore: &RestoreArguments,
    reporter: &Reporter,
) -> Exit {
    if let Some(aside) = &restore.undo {
        return in_place::undo(aside, reporter).await;
    }
    let selector = match selector(restore, reporter) {
        Ok(selector) => selector,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    if let Some(folder) = &restore.into {
        return all::run(arguments, restore, folder, &selector, reporter).await;
    }
    let given = restore.name.as_deref().unwrap_or_default();
    let command =
        Command { arguments, restore, reporter, selector, given, name: name_of(arguments, given) };
    let done = if restore.dry_run {
        command.plan().await
    } else if restore.salvage {
        command.salvage().await
    } else if restore.in_place {
        command.in_place().await
    } else {
        command.to_file().await
    };
    match done {
        Ok(exit) => exit,
        Err(error) => {
            let about = if restore.in_place { About::InPlace } else { About::Restore };
            let exit = reporter.error(&command.name, &error, about);
            command.say_what_is_left();
            exit
        }
    }
}

/// One database is to be restored.
struct Command<'a> {
    arguments: &'a Arguments,
    restore: &'a RestoreArguments,
    reporter: &'a Reporter,
    selector: Selector,
    /// The name or path, as it was typed.
    given: &'a str,
    name: String,
}

impl Command<'_> {
    /// Does something with the snapshot at the first place that has it whole; at the
    /// first that works, where a number says which is meant.
    async fn at_first_whole<T, F: Future<Output = Result<T, Error>>>(
        &self,
        job: impl Fn(Destination, Selector) -> F,
    ) -> Result<Whole<T>, Error> {
        let how = if self.restore.in_place { ReadAs::HelpedInPlace } else { ReadAs::Helped };
        let how = (how, self.restore.expect.is_some());
        super::at_first_whole(self.arguments, &self.name, &self.selector, how, job).await
    }

    /// Where `--target` points; the parser saw to it that there is one.
    fn target(&self) -> &Path {
        self.restore.target.as_deref().unwrap_or(Path::new(""))
    }

    fn settings(&self) -> RestoreSettings {
        let mut settings = RestoreSettings::default();
        settings.check = self.restore.check;
        settings.force = self.restore.force;
        settings.expect = self.restore.expect;
        settings.progress = progress::show(self.reporter.progress(), &self.name);
        settings
    }

    async fn to_file(&self) -> Result<Exit, Error> {
        let started = Instant::now();
        let announce = |meant: &_| self.reporter.will_restore_state(&self.name, meant);
        let (target, settings) = (self.target(), self.settings());
        let (name, selector) = (&self.name, &self.selector);
        let several = super::has_several(self.arguments) && self.restore.expect.is_none();
        let done = if several {
            let all = super::destinations(self.arguments);
            all.restore(name, selector, target, &settings, announce).await?
        } else {
            let destination = super::open(self.arguments, Missing::Refuse).await?;
            let report = destination.restore(name, selector, target, &settings, announce).await?;
            Whole::of(report, destination)
        };
        let Whole { report, destination, failed, .. } = done;
        // The bars are gone before anything is printed.
        drop(settings);
        let media = self.media(&destination, &report.snapshot_id).await;
        let linked = Exit::of_all(&[media, self.linked(target).await]);
        self.reporter.restored(&Brought {
            report: &report,
            name: &self.name,
            destination: destination.shown(),
            target,
            requests: destination.repository().remote().requests(),
            duration: started.elapsed(),
        });
        super::tell_detours(self.reporter, &failed, &report.from_elsewhere);
        if self.restore.heal {
            let healed = self.heal(&report.snapshot_id).await?;
            return Ok(if linked == Exit::Ok { healed } else { linked });
        }
        Ok(linked)
    }

    /// Whether the objects that the database at `path` mentions are there.
    async fn linked(&self, path: &Path) -> Exit {
        links::audit(self.arguments, self.restore, &self.name, path, self.reporter).await
    }

    /// Puts back what is damaged on one destination and whole on another.
    async fn heal(&self, id: &SnapshotId) -> Result<Exit, Error> {
        let extent = HealExtent::Snapshot(id.clone());
        let adopt = super::adopts(self.arguments);
        let healed = super::destinations(self.arguments).heal(&self.name, &extent, adopt).await?;
        super::tell_healed(self.reporter, &self.name, &healed);
        Ok(if healed.is_whole() { Exit::Ok } else { Exit::Damage })
    }

    /// Says what would be done.
    async fn plan(&self) -> Result<Exit, Error> {
        let (name, expect, in_place) = (&self.name, self.restore.expect, self.restore.in_place);
        let (target, place) = (self.target(), &self.place());
        if !in_place && !self.restore.force && std::fs::symlink_metadata(target).is_ok() {
            let path = target.to_owned();
            return Err(lifeboat::snapshot::StageError::TargetExists { path }.into());
        }
        let job = |destination: Destination, selector: Selector| async move {
            if in_place {
                destination.plan_in_place(name, &selector, place, expect).await
            } else {
                destination.plan_restore(name, &selector, target, expect).await
            }
        };
        let done: Whole<PlannedRestore> = self.at_first_whole(job).await?;
        let shown = done.destination.shown();
        self.reporter.would_restore(name, &done.report, shown, in_place);
        super::tell_detours(self.reporter, &done.failed, &[]);
        Ok(Exit::Ok)
    }

    /// What was fetched before the store failed is not lost.
    fn say_what_is_left(&self) {
        let target = match self.place() {
            Place::Any(target) | Place::Its(target) => target,
            _ => return,
        };
        if !self.restore.dry_run
            && let Some(left) = lifeboat::snapshot::left_behind(&target)
        {
            let left = left.display();
            self.reporter.note(&format!(
                "what was fetched is kept in {left}; the same command goes on from there"
            ));
        }
    }

    /// Which database is to be replaced.
    fn place(&self) -> Place {
        match &self.restore.target {
            Some(target) => Place::Any(target.clone()),
            None if is_path(self.given) => Place::Its(self.given.into()),
            None => Place::Origin,
        }
    }
}

fn is_path(text: &str) -> bool {
    text.contains('/') || Path::new(text).is_file()
}

/// The name under which a database is backed up, where its path was given.
pub(crate) fn name_of(arguments: &Arguments, text: &str) -> String {
    if is_path(text) { arguments.setup().name_of_path(Path::new(text)) } else { text.to_owned() }
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
        if restore.salvage {
            reporter.warn("a snapshot is salvaged: commits between it and that time are not in it");
        }
        return Ok(Selector::At(moment.time));
    }
    if let Some(commit) = restore.commit {
        return Ok(Selector::Commit(CommitNo(commit)));
    }
    if let Some(words) = &restore.before {
        return Ok(Selector::Before(words.clone()));
    }
    if restore.snapshot.as_deref() == Some("newest") {
        if restore.salvage {
            return Err(Refusal {
                exit: Exit::Usage,
                message: "of commits between snapshots nothing is salvaged".into(),
                hint: "name a snapshot, such as `latest`; the commits after it are not in it"
                    .into(),
            });
        }
        return Ok(Selector::Newest);
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
