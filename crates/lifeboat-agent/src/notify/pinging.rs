//! Pings on their way: only the latest of each kind counts, and what fails is tried
//! again soon or not at all.

use std::time::Duration;

use tokio::sync::mpsc;

use super::ping::PingUrl;
use super::pulse::Ping;
use crate::metrics::Metrics;

/// Between the attempts of one ping.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

/// Pings until nothing more can come.
pub(super) async fn keep_pinging(url: PingUrl, mut inbox: mpsc::Receiver<Ping>, metrics: Metrics) {
    let mut next: Option<Ping> = None;
    loop {
        let ping = match next.take() {
            Some(ping) => ping,
            None => match inbox.recv().await {
                Some(ping) => ping,
                None => return,
            },
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let sent = url.send(&ping).await;
            metrics.sent("ping", sent.is_ok());
            let Err(error) = sent else { break };
            let Some(pause) = pauses.next() else {
                tracing::warn!("failed to {error}: a ping was not heard; the next may be");
                break;
            };
            tracing::warn!("failed to {error}: a ping is tried again in {} s", pause.as_secs());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                newer = inbox.recv() => match newer {
                    Some(newer) if newer.kind == ping.kind => {
                        next = Some(newer);
                        break;
                    }
                    Some(newer) => {
                        // In their order, both.
                        next = Some(newer);
                    }
                    None => {
                        // The end: once more at once, and no more.
                        let sent = url.send(&ping).await;
                        metrics.sent("ping", sent.is_ok());
                        return;
                    }
                },
            }
            if next.is_some() {
                let sent = url.send(&ping).await;
                metrics.sent("ping", sent.is_ok());
                break;
            }
        }
    }
}
