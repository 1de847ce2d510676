//! Commands of the user around each backup of the agent.

use std::time::Duration;

use time::OffsetDateTime;

use crate::event::Backed;
use crate::notify::{clip, rfc3339};
use crate::planner::Cause;

/// Commands around each backup. Each runs in a shell, with variables that say what
/// it is about, and is killed when it takes too long.
///
/// Dropped while one runs, all processes of that one are killed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hooks {
    /// Before a backup; if it fails there is no backup, and that is a failure.
    pub before: Option<String>,
    /// After a backup that ended well; that it fails is a warning.
    pub after: Option<String>,
    /// After one that did not.
    pub failed: Option<String>,
    /// How long one may take.
    pub limit: Duration,
}

/// How long a hook may take where nothing else is said.
const USUAL_LIMIT: Duration = Duration::from_secs(300);

impl Default for Hooks {
    fn default() -> Self {
        Self { before: None, after: None, failed: None, limit: USUAL_LIMIT }
    }
}

/// What a hook is about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Occasion {
    /// The name of the database.
    pub database: String,
    /// The path of its file.
    pub path: String,
    /// Why now.
    pub cause: Cause,
}

impl Occasion {
    /// A backup of a database, for a reason.
    pub fn new(database: impl Into<String>, path: impl Into<String>, cause: Cause) -> Self {
        Self { database: database.into(), path: path.into(), cause }
    }
}

/// A hook that failed.
#[derive(Debug, thiserror::Error)]
#[error("run hooks.{hook}: {why}")]
pub struct HookError {
    /// Which: `before`, `after` or `failed`.
    pub hook: &'static str,
    /// Why. What the command printed is not in it.
    pub why: String,
}

type Variables = Vec<(&'static str, String)>;

impl Hooks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.before.is_none() && self.after.is_none() && self.failed.is_none()
    }

    /// What runs before a backup. If it fails there is to be none.
    pub async fn before(&self, occasion: &Occasion) -> Result<(), HookError> {
        self.run("before", &self.before, occasion, vec![]).await
    }

    /// What runs after a backup that ended well.
    pub async fn after(&self, occasion: &Occasion, backed: &Backed) -> Result<(), HookError> {
        let more = vec![
            ("LIFEBOAT_HOOK_SNAPSHOT", backed.snapshot.clone()),
            ("LIFEBOAT_HOOK_RECORD", backed.record.to_string()),
            ("LIFEBOAT_HOOK_DIGEST", backed.digest.clone()),
            ("LIFEBOAT_HOOK_DESTINATION", backed.destination.clone()),
            ("LIFEBOAT_HOOK_UNCHANGED", backed.unchanged.to_string()),
            ("LIFEBOAT_HOOK_BYTES_SENT", backed.bytes_sent.to_string()),
        ];
        self.run("after", &self.after, occasion, more).await
    }

    /// What runs after a backup that failed, with what it said.
    pub async fn failed(
        &self,
        occasion: &Occasion,
        error: &str,
        failures: u32,
    ) -> Result<(), HookError> {
        let more = vec![
            ("LIFEBOAT_HOOK_ERROR", clip(error)),
            ("LIFEBOAT_HOOK_FAILURES", failures.to_string()),
        ];
        self.run("failed", &self.failed, occasion, more).await
    }

    async fn run(
        &self,
        hook: &'static str,
        line: &Option<String>,
        occasion: &Occasion,
        more: Variables,
    ) -> Result<(), HookError> {
        let Some(line) = line else { return Ok(()) };
        let mut variables = vec![
            ("LIFEBOAT_HOOK", hook.to_owned()),
            ("LIFEBOAT_HOOK_DATABASE", occasion.database.clone()),
            ("LIFEBOAT_HOOK_PATH", occasion.path.clone()),
            ("LIFEBOAT_HOOK_CAUSE", occasion.cause.to_string()),
            ("LIFEBOAT_HOOK_TIME", rfc3339(OffsetDateTime::now_utc())),
        ];
        variables.extend(more);
        let done = crate::command::run(line, &variables, None, self.limit).await;
        done.map_err(|why| HookError { hook, why })
    }
}
