//! What is said of the work that a service does by itself.

use std::sync::{Mutex, PoisonError};

use lifeboat::agent::Job;
use lifeboat::hint::About;
use lifeboat::service::{Happening, Watched, Witness};

use crate::arguments::Arguments;
use crate::commands::backup::{Teller, forgotten};
use crate::commands::{drill, sync};
use crate::report::Reporter;
use crate::text::several;

/// Prints what happens.
pub(super) struct Log {
    reporter: Reporter,
    teller: Mutex<Teller>,
}

impl Log {
    pub(super) fn new(arguments: &Arguments, reporter: Reporter) -> Self {
        let teller = Mutex::new(Teller::new(arguments, reporter, true));
        Self { reporter, teller }
    }
}

impl Witness for Log {
    fn saw(&self, database: &Watched, happening: &Happening<'_>) {
        let (reporter, name) = (&self.reporter, &database.name);
        let say = |count: usize, what: &str, done: &str| {
            reporter.say(&format!("{name}: {} {done}", several(count as u64, what)));
        };
        match happening {
            Happening::BackedUp { placed, took } => {
                let mut teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
                teller.placed(placed, *took);
            }
            Happening::Limited { count, forgotten: gone } => {
                reporter.say(&forgotten(*gone, *count));
            }
            Happening::Forgotten(count) => say(*count, "snapshot", "forgotten by the policy"),
            Happening::Collected(count) => say(*count, "object", "that nothing needs deleted"),
            Happening::Checked(report) => {
                for finding in &report.result.findings {
                    let (object, what) = (&finding.object, &finding.what);
                    reporter.warn(&format!(
                        "{name}: {object}: {what}; `lifeboat repair` says what can be done"
                    ));
                }
            }
            Happening::Drilled { place, report } => {
                drill::unattended(reporter, name, place, report)
            }
            Happening::Synced(report) => sync::tell(report, reporter),
            Happening::Healed { place, report } => {
                if !report.healed.is_empty() {
                    say(report.healed.len(), "object", &format!("put back at {place}"));
                }
                for (object, why) in &report.left {
                    reporter.warn(&format!("{name}: {object} at {place} stays damaged: {why}"));
                }
            }
            // Upkeep that fails is a warning: the backups count.
            Happening::Failed { job: Job::Backup, error } => {
                reporter.error(&database.path.display().to_string(), error, About::Backup);
            }
            Happening::Failed { job, error } => {
                let why = crate::report::causes(error);
                reporter.warn(&format!("{name}: {job}: failed to {why}; it is tried again"));
            }
            Happening::Warning(text) => reporter.warn(&format!("{name}: {text}")),
            // There may be more.
            _ => {}
        }
    }
}
