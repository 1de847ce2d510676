//! `lifeboat config`: what is set, and by whom.

use std::time::Duration;

use lifeboat::config::{Mode, Settings};
use serde_json::json;

use super::run::page;
use crate::arguments::{Arguments, ConfigCommand, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;

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
            if let Some(line) = cost(configuration.settings()) {
                reporter.note(&line);
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

/// What following every commit costs at most, of all databases, where that is set.
fn cost(settings: &Settings) -> Option<String> {
    let patterns = settings.databases.iter().filter(|one| one.mode == Mode::Continuous);
    let count = patterns.count() as u64;
    let interval = settings.continuous.interval.unwrap_or(Duration::from_secs(1));
    let a_month = (MONTH.as_millis() / interval.as_millis().max(1)) as u64;
    let money = |cents: u64| a_month * cents / MILLION;
    (count > 0).then(|| {
        format!(
            "continuous mode: at most {a_month} uploads a month and database, {} US-$ where a \
             million costs {} US-$ (S3), {} US-$ where it costs {} US-$ (R2); nothing where nothing \
             is written",
            money(S3) / 100,
            S3 / 100,
            money(R2) / 100,
            R2 as f64 / 100.0,
        )
    })
}

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const MILLION: u64 = 1_000_000;

/// What a million uploads costs, in cents.
const S3: u64 = 500;
const R2: u64 = 450;
