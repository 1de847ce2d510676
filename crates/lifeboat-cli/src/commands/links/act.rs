//! Mending rows and moving objects, or saying what would be done.

use std::io::{BufRead, IsTerminal, Write};

use lifeboat::Error;
use lifeboat::links::{Checked, Dialect, Fixed, Kind, Links, LinksError, Removal, Safeguard};
use serde_json::json;

use super::{Command, Stopped, exit_of};
use crate::arguments::{DialectName, LinksCommand, Refusal};
use crate::exit::Exit;
use crate::out::{errln, outln};
use crate::text::{several, size};

/// What was asked for, of whichever of the two commands.
struct Wanted {
    fix: bool,
    clean: bool,
    apply: bool,
    delete: bool,
    no_snapshot: bool,
    yes: bool,
    expect_broken: Option<u64>,
    expect_orphaned: Option<u64>,
}

impl Command<'_> {
    pub(super) async fn fix(&self, command: &LinksCommand) -> Result<Exit, Stopped> {
        let LinksCommand::Fix {
            apply,
            all,
            bring_back,
            emit_sql,
            dialect,
            expect_broken,
            expect_orphaned,
            no_snapshot,
            yes,
            list,
        } = command
        else {
            return Ok(Exit::Usage);
        };
        let links = self.open(Some(list)).await?;
        if *bring_back {
            return self.recover(&links, *apply).await;
        }
        if *emit_sql {
            let dialect = match dialect {
                Some(DialectName::Mysql) => Dialect::Mysql,
                Some(DialectName::Postgres) => Dialect::Postgres,
                None if list.keys.is_some() => Dialect::Postgres,
                Some(DialectName::Sqlite) | None => Dialect::Sqlite,
            };
            return self.emit(&links, dialect, *expect_broken).await;
        }
        if list.keys.is_some() {
            return Err(Stopped::Refused(Refusal {
                exit: Exit::Usage,
                message: "the rows of a list are in no database that is at hand".into(),
                hint: "--emit-sql prints the statements that mend them".into(),
            }));
        }
        self.act(
            &links,
            &Wanted {
                fix: true,
                clean: *all,
                apply: *apply,
                delete: false,
                no_snapshot: *no_snapshot,
                yes: *yes,
                expect_broken: *expect_broken,
                expect_orphaned: *expect_orphaned,
            },
        )
        .await
    }

    pub(super) async fn clean(&self, command: &LinksCommand) -> Result<Exit, Stopped> {
        let LinksCommand::Clean {
            apply,
            all,
            delete,
            expect_orphaned,
            expect_broken,
            no_snapshot,
            yes,
            ..
        } = command
        else {
            return Ok(Exit::Usage);
        };
        let links = self.open(None).await?;
        self.act(
            &links,
            &Wanted {
                fix: *all,
                clean: true,
                apply: *apply,
                delete: *delete,
                no_snapshot: *no_snapshot,
                yes: *yes,
                expect_broken: *expect_broken,
                expect_orphaned: *expect_orphaned,
            },
        )
        .await
    }

    /// Puts missing objects back, or says which could be.
    async fn recover(&self, links: &Links, apply: bool) -> Result<Exit, Stopped> {
        let mut all = self.compare(links).await?;
        self.print(links, &mut all)?;
        let mut exits = vec![Exit::Ok];
        let (mut found, mut nowhere) = (0, 0);
        for (store, checked) in links.stores().iter().zip(all) {
            if let Some(why) = checked.doubt() {
                let doing = "bring objects back";
                return Err(LinksError::Doubtful { doing, why, storage: true }.into());
            }
            let (report, _) = store.recover(checked, apply).await?;
            found += report.from_other + report.from_versions;
            nowhere += report.nowhere;
            let is = if apply { "back" } else { "can be brought back" };
            let line = format!(
                "{}: {} {is}: {} from the other place, {} from earlier versions; {} nowhere",
                store.shown,
                several(report.from_other + report.from_versions, "object"),
                report.from_other,
                report.from_versions,
                report.nowhere
            );
            let object = json!({
                "store": store.shown,
                "applied": apply,
                "from_other": report.from_other,
                "from_versions": report.from_versions,
                "nowhere": report.nowhere,
                "failed": report.failed.len(),
            });
            self.found("recovered", object, &line);
            for (key, why) in &report.failed {
                self.reporter.warn(&format!("{key} is not back: {why}"));
                exits.push(Exit::PartlyDone);
            }
        }
        if !apply && found > 0 {
            self.say("nothing was changed: --apply does it");
        }
        // What is nowhere, or not back yet, is missing.
        exits.push(if nowhere > 0 || (!apply && found > 0) { Exit::Damage } else { Exit::Ok });
        let exit = exits.into_iter().rfind(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok);
        let summary = json!({
            "found": found, "nowhere": nowhere, "applied": apply, "code": exit.code(),
        });
        self.reporter.summary(summary);
        Ok(exit)
    }

    /// Prints the statements that would mend rows.
    async fn emit(
        &self,
        links: &Links,
        dialect: Dialect,
        expected: Option<u64>,
    ) -> Result<Exit, Stopped> {
        let mut all = self.compare(links).await?;
        links.may_fix(&all, expected)?;
        let mut statements = Vec::new();
        outln!("BEGIN;");
        for (store, checked) in links.stores().iter().zip(&mut all) {
            checked.findings.read(|finding| -> Result<(), LinksError> {
                if let (Kind::Broken, Some(row)) = (finding.kind, &finding.mention)
                    && let Some(source) = store.group.sources().get(row.rule)
                {
                    outln!("{}", dialect.statement(source.as_ref(), row)?);
                    statements.push(());
                }
                Ok(())
            })?;
        }
        outln!("COMMIT;");
        if !self.reporter.is_json() {
            errln!(
                "{} for rows whose object is missing",
                several(statements.len() as u64, "statement")
            );
        }
        Ok(if statements.is_empty() { Exit::Ok } else { Exit::Damage })
    }

    async fn act(&self, links: &Links, wanted: &Wanted) -> Result<Exit, Stopped> {
        let mut all = self.compare(links).await?;
        self.print(links, &mut all)?;
        let broken: u64 = all.iter().map(|one| one.all().broken).sum();
        let orphaned: u64 = all.iter().map(|one| one.orphaned).sum();
        let fix = wanted.fix && broken > 0;
        let clean = wanted.clean && orphaned > 0;
        // Doubts are worth an error also where nothing seems to be wrong.
        if wanted.fix {
            links.may_fix(&all, wanted.expect_broken)?;
        }
        if wanted.clean {
            may_clean(&all, wanted.expect_orphaned)?;
        }
        if !fix && !clean {
            self.say("there is nothing to do");
            self.reporter.summary(self.summary(&all, &[], 0, false, Exit::Ok));
            return Ok(Exit::Ok);
        }
        if !self.is_meant(wanted, fix.then_some(broken), clean.then_some(orphaned)) {
            self.say(match wanted.apply {
                true => {
                    "nothing was changed: it was asked and not answered with yes; --yes does so"
                }
                false => "nothing was changed: --apply does it",
            });
            let exit = exit_of(&all);
            self.reporter.summary(self.summary(&all, &[], 0, false, exit));
            return Ok(exit);
        }
        let safeguard = if fix { Some(self.safeguard(wanted)?) } else { None };
        let mut exits = vec![Exit::Ok];
        let (mut fixed, mut removed, mut kept) = (Vec::new(), 0, Vec::new());
        if clean {
            let removal = if wanted.delete { Removal::Delete } else { Removal::Quarantine };
            for (store, checked) in links.stores().iter().zip(all) {
                let run = store.next_run().await?;
                if !wanted.delete && checked.orphaned > 0 {
                    // Now, because nobody may be there afterwards to say it.
                    let undo = format!("lifeboat links clean --undo {run}");
                    let line = format!("{}: to bring back what is moved: {undo}", store.shown);
                    let object = json!({ "store": store.shown, "run": run, "undo": undo });
                    self.found("cleaning", object, &line);
                }
                let (report, checked) = store.clean(checked, removal, &run).await?;
                removed += report.removed;
                let done = if wanted.delete { "deleted" } else { "moved to quarantine" };
                let mut line = format!(
                    "{}: {} {done}, {}",
                    store.shown,
                    several(report.removed, "object"),
                    size(report.bytes)
                );
                for (number, what) in [
                    (report.mentioned, "mentioned by a row meanwhile"),
                    (report.changed, "changed or gone meanwhile"),
                ] {
                    if number > 0 {
                        line.push_str(&format!("; {number} {what}"));
                    }
                }
                let object = json!({
                    "store": store.shown,
                    "run": report.run,
                    "removed": report.removed,
                    "deleted": wanted.delete,
                    "bytes": report.bytes,
                    "mentioned": report.mentioned,
                    "changed": report.changed,
                    "failed": report.failed.len(),
                });
                self.found("cleaned", object, &line);
                for (key, why) in &report.failed {
                    self.reporter.warn(&format!("{key} stays where it is: {why}"));
                    exits.push(Exit::PartlyDone);
                }
                kept.push(checked);
            }
        } else {
            kept = all;
        }
        let counted = self.summary(&kept, &[], removed, true, Exit::Ok);
        if let Some(safeguard) = safeguard {
            fixed = links.fix(kept, &safeguard).await?;
            for one in &fixed {
                self.tell(one);
            }
        }
        let exit = exits.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok);
        let mut summary = counted;
        summary["fixed"] = rows(&fixed).into();
        summary["code"] = exit.code().into();
        self.reporter.summary(summary);
        Ok(exit)
    }

    fn safeguard(&self, wanted: &Wanted) -> Result<Safeguard, Stopped> {
        if wanted.no_snapshot {
            return Ok(Safeguard::Nothing);
        }
        if let Some(disabled) = self.arguments.disabled() {
            return Err(Stopped::Refused(Refusal {
                exit: Exit::Refused,
                message: format!(
                    "rows are mended after a snapshot, and there are no backups here: {}",
                    disabled.reason
                ),
                hint: format!("{}; or --no-snapshot", disabled.hint),
            }));
        }
        Ok(Safeguard::Snapshot {
            destinations: super::super::destinations(self.arguments),
            adopt: self.arguments.setup().adopts(),
        })
    }

    fn summary(
        &self,
        all: &[Checked],
        fixed: &[Fixed],
        removed: u64,
        applied: bool,
        exit: Exit,
    ) -> serde_json::Value {
        let mut summary = super::found::summary(all, exit);
        summary["applied"] = applied.into();
        summary["fixed"] = rows(fixed).into();
        summary["cleaned"] = removed.into();
        summary
    }

    /// Whether it is meant: it was typed, or a question was answered.
    fn is_meant(&self, wanted: &Wanted, rows: Option<u64>, objects: Option<u64>) -> bool {
        let mut what = Vec::new();
        what.extend(rows.map(|rows| format!("mend {}", several(rows, "row"))));
        what.extend(objects.map(|objects| match wanted.delete {
            true => format!("delete {} for good", several(objects, "object")),
            false => format!("move {} to quarantine", several(objects, "object")),
        }));
        let what = what.join(" and ");
        let for_good = wanted.delete && objects.is_some();
        let unguarded = wanted.no_snapshot && rows.is_some();
        match wanted.apply {
            // What nothing takes back is asked about.
            true if for_good || unguarded => {
                wanted.yes || self.asks(&format!("{what}, which nothing takes back"))
            }
            true => true,
            false => !wanted.yes && self.asks(&what),
        }
    }

    /// Asks whoever sits there. Nobody there is a no.
    fn asks(&self, what: &str) -> bool {
        let people = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !people || self.reporter.is_json() || self.csv {
            return false;
        }
        eprint!("{what}? [y/N] ");
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    fn tell(&self, fixed: &Fixed) {
        let report = &fixed.report;
        let mut done = Vec::new();
        for (number, what) in [
            (report.deleted, "deleted"),
            (report.emptied, "set to NULL"),
            (report.ran, "changed by on_broken"),
            (report.besides, "changed besides, by triggers and foreign keys"),
            (report.changed_meanwhile, "left alone: changed meanwhile"),
        ] {
            if number > 0 {
                done.push(format!("{} {what}", several(number, "row")));
            }
        }
        let mut line = format!(
            "{}: {}",
            fixed.database,
            match done.is_empty() {
                true => "no row is broken any more".to_owned(),
                false => done.join(", "),
            }
        );
        let undo = fixed
            .snapshot
            .as_ref()
            .map(|(id, _)| format!("lifeboat restore {} {id} --in-place", fixed.database));
        if let Some(undo) = &undo {
            line.push_str(&format!("\nto take it back: {undo}"));
        }
        let object = json!({
            "database": fixed.database,
            "deleted": report.deleted,
            "emptied": report.emptied,
            "ran": report.ran,
            "besides": report.besides,
            "changed_meanwhile": report.changed_meanwhile,
            "snapshot_id": fixed.snapshot.as_ref().map(|(id, _)| id.as_str()),
            "destination": fixed.snapshot.as_ref().map(|(_, place)| place),
            "undo": undo,
        });
        self.found("fixed", object, &line);
    }
}

fn rows(fixed: &[Fixed]) -> u64 {
    fixed.iter().map(|one| one.report.deleted + one.report.emptied + one.report.ran).sum()
}

fn may_clean(all: &[Checked], expected: Option<u64>) -> Result<(), Error> {
    let total: u64 = all.iter().map(|one| one.orphaned).sum();
    for checked in all {
        let own = match expected {
            Some(expected) if expected == total => Some(checked.orphaned),
            other => other,
        };
        checked.may_clean(own)?;
    }
    Ok(())
}
