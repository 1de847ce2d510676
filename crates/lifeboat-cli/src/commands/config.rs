//! `lifeboat config`: what is set, and by whom.

use serde_json::json;

use super::run::page;
use crate::arguments::{Arguments, ConfigCommand, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::unused;

pub(crate) fn run(arguments: &Arguments, config: &ConfigCommand, reporter: &Reporter) -> Exit {
    let configuration = arguments.setup().configuration();
    let file = configuration.file().map(|path| path.display().to_string());
    match config {
        ConfigCommand::Check => {
            let line = match &file {
                Some(file) => format!("{file} and the environment are as they should be"),
                None => "there is no file of settings; the environment is as it should be".into(),
            };
            let targets = arguments.setup().targets().map(drop).map_err(Refusal::from);
            if let Err(refusal) = targets.and_then(|()| page::check(arguments)) {
                reporter.refuse(&refusal);
                return refusal.exit;
            }
            for notice in configuration.notices() {
                reporter.warn(notice);
            }
            for unused in unused::find(configuration) {
                let words = unused.words();
                reporter.warn(&format!("{words}; meanwhile: {}", unused.instead));
            }
            reporter.told(json!({ "file": file, "code": 0 }), &[line]);
        }
        ConfigCommand::Show { origin } => {
            let shown = configuration.shown();
            let width =
                |one: &lifeboat::config::Shown| one.key.len() + 3 + one.value.chars().count();
            let widest = shown.iter().map(width).filter(|width| *width <= 60).max().unwrap_or(0);
            for one in &shown {
                let mut line = format!("{} = {}", one.key, one.value);
                if *origin {
                    line = format!("{line:<widest$}  # {}", one.place);
                }
                let object = json!({
                    "setting": one.key, "value": one.value, "origin": one.place.to_string(),
                });
                reporter.found("setting", object, &line);
            }
            reporter.told(json!({ "file": file, "settings": shown.len(), "code": 0 }), &[]);
        }
    }
    Exit::Ok
}
