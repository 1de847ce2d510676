//! `lifeboat health --nagios`: one line and the exit codes of a plugin, by the
//! Monitoring Plugins Development Guidelines.

use lifeboat::ErrorKind;
use lifeboat::agent::Level;

use super::AllJudged;
use crate::exit::Exit;
use crate::out::outln;
use crate::text::several;

/// Whoever is asked wrongly, or cannot ask, does not know.
pub(crate) const UNKNOWN: Exit = Exit::Other(3);

/// Whether it is a plugin that was called, known before the arguments are: a
/// mistake in them has an exit code of its own there.
pub(crate) fn is_plugin() -> bool {
    let mut arguments = std::env::args_os();
    arguments.any(|argument| argument == "--nagios")
}

/// What a plugin says where it could not look.
pub(crate) fn unknown(why: &str) -> Exit {
    line("UNKNOWN", why);
    UNKNOWN
}

pub(super) fn tell(judged: &AllJudged) -> Exit {
    let level = judged.level();
    let worst = judged.all.iter().find_map(|one| {
        let (_, reason) = one.health.reasons.first()?;
        Some(format!("{}: {reason}", one.name))
    });
    let said = worst.or_else(|| {
        let error = judged.error.as_ref().filter(|_| judged.all.is_empty())?;
        Some(format!("failed to {}", crate::report::causes(error)))
    });
    // What is wrong here says nothing of the backups. A store that does not answer
    // does: the guidelines want that to be critical.
    if level == Level::Critical
        && matches!(judged.trouble(), Some(ErrorKind::Usage | ErrorKind::Key | ErrorKind::Failed))
    {
        return unknown(&said.unwrap_or_default());
    }
    let (word, exit) = match level {
        Level::Healthy => ("OK", Exit::Ok),
        Level::Warning => ("WARNING", Exit::Other(1)),
        Level::Critical => ("CRITICAL", Exit::Other(2)),
    };
    let count = several(judged.all.len() as u64, "database");
    let none = || match judged.all.len() {
        0 => "there is no database to look at".to_owned(),
        _ => format!("{count} healthy"),
    };
    line(word, &said.unwrap_or_else(none));
    exit
}

/// One line; what follows a bar would be taken for measurements.
fn line(word: &str, text: &str) {
    let text: String =
        text.chars().map(|c| if matches!(c, '\n' | '|') { ' ' } else { c }).collect();
    outln!("LIFEBOAT {word} - {text}");
}
