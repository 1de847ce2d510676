//! What happens, in words; how far work is.

use std::sync::Arc;

use lifeboat_agent::{Event, Level, Metrics, Schedule, What};
use lifeboat_http::model::{self, Happening, HealthInfo};
use lifeboat_http::{Step, Watch};
use lifeboat_repository::{Event as Progressed, Progress};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::known::Cache;
use crate::service::{Judged, Service};

/// So many wait for a page that is slow.
const WAITING: usize = 256;

/// Hands on what a service tells, and has what is known looked at anew.
pub(super) fn forward(
    service: &Service,
    cache: Arc<Cache>,
    count: Option<Metrics>,
) -> broadcast::Sender<Happening> {
    let (sender, _) = broadcast::channel(WAITING);
    let mut events = service.subscribe();
    let listeners = sender.downgrade();
    tokio::spawn(async move {
        loop {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(missed)) => {
                    cache.forget_all();
                    if let Some(count) = &count {
                        count.missed(missed);
                    }
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            if let Some(count) = &count {
                count.hear(&event);
            }
            match &event.database {
                Some(name) => cache.forget(name),
                None => cache.forget_all(),
            }
            // Nobody need listen; when the interface is gone, nobody can.
            let Some(listeners) = listeners.upgrade() else { return };
            let _ = listeners.send(happening(&event));
        }
    });
    sender
}

fn happening(event: &Event) -> Happening {
    let (what, message) = match &event.what {
        What::Began { job, cause } => ("began", format!("{job} began, {cause}")),
        What::BackedUp(done) if done.unchanged => ("backed-up", "nothing had changed".to_owned()),
        What::BackedUp(done) => ("backed-up", format!("backed up, {} bytes sent", done.bytes_sent)),
        What::Done { job, summary, .. } if summary.is_empty() => ("done", format!("{job} is done")),
        What::Done { job, summary, .. } => ("done", format!("{job}: {summary}")),
        // The page asks for the reason, which is told without paths of the host.
        What::Failed { job, .. } => ("failed", format!("{job} failed")),
        What::Health { now, .. } => ("health", format!("it is {now} now")),
        What::Disabled { .. } => ("disabled", "backups are disabled".to_owned()),
        _ => ("other", "something happened".to_owned()),
    };
    Happening {
        at: event.at.into(),
        database: event.database.clone(),
        what: what.to_owned(),
        message,
    }
}

/// Health, as the interface tells it.
pub(super) fn health(judged: &Judged, next: Option<OffsetDateTime>) -> HealthInfo {
    let level = match judged.health.level {
        Level::Healthy => model::Level::Healthy,
        Level::Warning => model::Level::Warning,
        Level::Critical => model::Level::Critical,
    };
    let reasons = judged.health.reasons.iter();
    HealthInfo {
        database: judged.database.clone(),
        status: level,
        // Errors among them may name files.
        reasons: reasons
            .map(|(_, reason)| lifeboat_http::without_paths(&reason.to_string()))
            .collect(),
        last_backup: judged.facts.last_good.map(Into::into),
        next_scheduled: next.map(Into::into),
    }
}

/// A schedule in words.
pub(super) fn schedule(schedule: &Schedule) -> String {
    let seconds = schedule.longest_gap().as_secs();
    let (count, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3600 == 0 => (s / 3600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    match count {
        1 => format!("every {unit}"),
        count => format!("every {count} {unit}s at the latest"),
    }
}

/// Tells an interface how far work is, in bytes.
pub(super) fn progress(watch: &Watch, phase: &'static str) -> Arc<dyn Progress> {
    let watch = watch.clone();
    Arc::new(move |event| match event {
        Progressed::Reading { bytes }
        | Progressed::Restoring { bytes }
        | Progressed::Checking { bytes } => watch.tell(Step::Phase(phase, Some(bytes))),
        Progressed::Scanned { bytes }
        | Progressed::Checked { bytes }
        | Progressed::Restored { bytes } => watch.tell(Step::Done(bytes)),
        _ => {}
    })
}
