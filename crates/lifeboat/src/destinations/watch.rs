//! Seeing within seconds that a destination went away while a backup goes there.
//!
//! A slow line and a store that is gone look alike to a request under way. So the
//! store is asked something small beside it, and only silence counts, together
//! with packs that do not arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat_remote::{Remote, RemoteError};
use lifeboat_repository::{Event, Progress};

use super::DestinationSettings;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(4);

/// How often in a row it must be silent.
const TIMES: u32 = 2;

/// Counts what arrived, and passes everything on.
pub(super) struct Counted {
    pub(super) packs: Arc<AtomicU64>,
    pub(super) next: Option<Arc<dyn Progress>>,
}

impl Progress for Counted {
    fn event(&self, event: Event) {
        if matches!(event, Event::Sent { .. } | Event::Restored { .. }) {
            self.packs.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(next) = &self.next {
            next.event(event);
        }
    }
}

/// Waits until the store is gone, and says how that showed. Never ends for a
/// store in a directory.
pub(super) async fn until_gone(settings: &DestinationSettings, packs: &AtomicU64) -> RemoteError {
    let remote = match Remote::open_with(&settings.place, settings.impatient()) {
        Ok(remote) if !settings.is_local() => remote,
        _ => return std::future::pending().await,
    };
    let (mut silent, mut arrived) = (0, packs.load(Ordering::Relaxed));
    loop {
        tokio::time::sleep(EVERY).await;
        let asked = remote.size(&lifeboat_format::key::format(1)).await;
        let now = packs.load(Ordering::Relaxed);
        match asked {
            Err(error) if error.is_transient() && now == arrived => {
                silent += 1;
                tracing::info!(
                    "{} does not answer while a backup goes there: {error}",
                    settings.name
                );
                if silent == TIMES {
                    return error;
                }
            }
            _ => silent = 0,
        }
        arrived = now;
    }
}
