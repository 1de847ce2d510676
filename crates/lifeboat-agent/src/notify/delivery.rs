//! Messages on their way, over one channel: tried again until they arrive, or are a
//! day old.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::channel::Channel;
use super::message::Message;
use crate::metrics::Metrics;

/// How many messages may wait for one channel. The desk lets few through; more
/// means that nobody has listened for a long time.
const MOST: usize = 200;

/// After the first failure, the second, and so on; the last for all that follow.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
];

/// A message that did not arrive in this time is news no more.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// How many messages are on their way, over all channels.
#[derive(Clone, Debug, Default)]
pub(super) struct OnTheWay(Arc<AtomicUsize>);

impl OnTheWay {
    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// A message, and when it was handed over.
#[derive(Debug)]
pub(super) struct Parcel {
    message: Arc<Message>,
    since: Instant,
    on_the_way: OnTheWay,
}

impl Parcel {
    pub(super) fn new(message: Arc<Message>, on_the_way: &OnTheWay) -> Self {
        on_the_way.0.fetch_add(1, Ordering::SeqCst);
        Self { message, since: Instant::now(), on_the_way: on_the_way.clone() }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.on_the_way.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends what comes in over a channel until nothing more can come; then each that
/// waits is tried once more. Returns what did not arrive.
pub(super) async fn deliver(
    channel: Channel,
    mut inbox: mpsc::Receiver<Parcel>,
    metrics: Metrics,
) -> (&'static str, Vec<Parcel>) {
    let name = channel.name();
    let mut waiting: VecDeque<Parcel> = VecDeque::new();
    let mut failures = 0;
    loop {
        let Some(parcel) = waiting.front() else {
            match inbox.recv().await {
                Some(parcel) => waiting.push_back(parcel),
                None => return (name, Vec::new()),
            }
            continue;
        };
        match channel.send(&parcel.message).await {
            Ok(()) => {
                tracing::debug!(channel = name, "{}", parcel.message.subject());
                metrics.sent(name, true);
                failures = 0;
                waiting.pop_front();
                continue;
            }
            Err(error) => {
                metrics.sent(name, false);
                let pause = PAUSES[failures.min(PAUSES.len() - 1)];
                if parcel.since.elapsed() > STALE {
                    tracing::error!(
                        "gave up a message over {name}: failed to {error}: {}",
                        parcel.message.subject()
                    );
                    waiting.pop_front();
                } else {
                    tracing::warn!(
                        "failed to {error}: a message over {name} waits, and is tried again in {} s",
                        pause.as_secs()
                    );
                }
                failures += 1;
                if !paused(&mut inbox, &mut waiting, pause).await {
                    return (name, last_try(&channel, waiting, &metrics).await);
                }
            }
        }
    }
}

/// Waits, and takes in what comes meanwhile. False if nothing more can come.
async fn paused(
    inbox: &mut mpsc::Receiver<Parcel>,
    waiting: &mut VecDeque<Parcel>,
    pause: Duration,
) -> bool {
    let until = Instant::now() + pause;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return true,
            came = inbox.recv() => match came {
                Some(parcel) => {
                    if waiting.len() >= MOST {
                        // The oldest says the least.
                        waiting.pop_front();
                    }
                    waiting.push_back(parcel);
                }
                None => return false,
            },
        }
    }
}

async fn last_try(channel: &Channel, waiting: VecDeque<Parcel>, metrics: &Metrics) -> Vec<Parcel> {
    let mut left = Vec::new();
    for parcel in waiting {
        let arrived = left.is_empty() && channel.send(&parcel.message).await.is_ok();
        metrics.sent(channel.name(), arrived);
        if !arrived {
            left.push(parcel);
        }
    }
    left
}
