//! Hears what happens, and tells it: the pure parts in a runtime.
//!
//! It needs neither a repository nor a key. Run it in a thread and a runtime of its
//! own where a store that hangs could keep everything else from running.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;

use super::channel::Channel;
use super::delivery::{OnTheWay, Parcel, deliver};
use super::desk::{Desk, Rules};
use super::message::Message;
use super::pulse::{PingKind, Pulse};
use super::saved::Saved;
use crate::driver::{Clock, SystemClock};
use crate::event::Event;
use crate::health::Limits;
use crate::metrics::Metrics;
use crate::watch::Watch;

/// Whom to tell, of what, and about which databases.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Telling {
    /// What is told, and how often.
    pub rules: Rules,
    /// The ways that messages go.
    pub channels: Vec<Channel>,
    /// A dead man's switch.
    #[cfg(feature = "webhooks")]
    pub ping: Option<super::PingUrl>,
    /// What it is told.
    pub pings: Vec<PingKind>,
    /// When to worry.
    pub limits: Limits,
    /// The databases, and the longest time between two backups of each.
    pub databases: Vec<(String, Duration)>,
    /// A file that remembers, over a restart, what was told.
    pub memory: Option<PathBuf>,
    /// A file that gets the figures, as node_exporter reads them.
    pub metrics_file: Option<PathBuf>,
}

impl Telling {
    /// Nobody, of nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            channels: Vec::new(),
            #[cfg(feature = "webhooks")]
            ping: None,
            pings: vec![PingKind::Success],
            limits: Limits::default(),
            databases: Vec::new(),
            memory: None,
            metrics_file: None,
        }
    }
}

/// Where a [`Notifier`] that runs is reached.
#[derive(Clone, Debug)]
pub struct NotifierHandle {
    wishes: mpsc::UnboundedSender<Telling>,
}

impl NotifierHandle {
    /// Goes by this from now on. What waits to be sent goes on over the channel of
    /// the same name.
    pub fn replace(&self, telling: Telling) {
        // Nobody there tells nothing.
        let _ = self.wishes.send(telling);
    }
}

/// Hears what happens, and tells it.
#[derive(Debug)]
pub struct Notifier<C = SystemClock> {
    telling: Telling,
    clock: C,
    desk: Desk,
    pulse: Pulse,
    watch: Watch,
    metrics: Metrics,
    wishes: mpsc::UnboundedReceiver<Telling>,
    boxes: BTreeMap<&'static str, mpsc::Sender<Parcel>>,
    under_way: JoinSet<(&'static str, Vec<Parcel>)>,
    on_the_way: OnTheWay,
    #[cfg(feature = "webhooks")]
    pings: Option<mpsc::Sender<super::Ping>>,
    #[cfg(feature = "webhooks")]
    pinging: JoinSet<()>,
    memory: Saved,
    metrics_file: Saved,
    looked: Option<OffsetDateTime>,
}

/// No timer runs longer, so that a machine that slept is noticed.
const NAP: Duration = Duration::from_secs(20);

/// How often it is looked who is overdue.
const LOOK: time::Duration = time::Duration::seconds(5);

/// How many messages may be handed to a channel that is busy.
const ROOM: usize = 64;

impl Notifier {
    /// With the clock of the system.
    pub fn new(telling: Telling, metrics: Metrics) -> (Self, NotifierHandle) {
        Self::with_clock(telling, metrics, SystemClock)
    }
}

impl<C: Clock> Notifier<C> {
    /// With another clock.
    pub fn with_clock(telling: Telling, metrics: Metrics, clock: C) -> (Self, NotifierHandle) {
        let (sender, wishes) = mpsc::unbounded_channel();
        let mut notifier = Self {
            desk: Desk::new(telling.rules.clone()),
            pulse: Pulse::new(telling.pings.iter().copied().collect()),
            watch: Watch::new(telling.limits.clone()),
            memory: Saved::new(telling.memory.clone(), Duration::from_secs(5)),
            metrics_file: Saved::new(telling.metrics_file.clone(), Duration::from_secs(15)),
            telling,
            clock,
            metrics,
            wishes,
            boxes: BTreeMap::new(),
            under_way: JoinSet::new(),
            on_the_way: OnTheWay::default(),
            #[cfg(feature = "webhooks")]
            pings: None,
            #[cfg(feature = "webhooks")]
            pinging: JoinSet::new(),
            looked: None,
        };
        if let Some(memory) = notifier.memory.read() {
            // What is not understood is told once more.
            let memory: Value = serde_json::from_str(&memory).unwrap_or_default();
            notifier.desk.recall(&memory["told"]);
            notifier.watch.recall(&memory["last_good"]);
        }
        (notifier, NotifierHandle { wishes: sender })
    }

    /// Tells what is heard until `stop` comes true or nothing more can be heard; then
    /// all that waits is tried once more, at most for `grace`. Returns how many
    /// messages did not arrive.
    ///
    /// Dropped before that, messages that are on their way may be lost, and are told
    /// again by the next one that has the same memory.
    pub async fn run(
        mut self,
        mut events: broadcast::Receiver<Event>,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> usize {
        let mut stop = pin!(stop);
        self.begin();
        loop {
            let now = self.clock.now();
            let wait = self.turn(now);
            tokio::select! {
                () = &mut stop => break,
                heard = events.recv() => match heard {
                    Ok(event) => self.hear(&event),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!("{missed} events came faster than they could be heard");
                        self.metrics.missed(missed);
                    }
                    Err(RecvError::Closed) => break,
                },
                Some(telling) = self.wishes.recv() => self.replace(telling),
                Some(ended) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    self.pass_on(ended.ok());
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        // What happened last is heard.
        while let Ok(event) = events.try_recv() {
            self.hear(&event);
        }
        self.end(grace).await
    }

    fn begin(&mut self) {
        let now = self.clock.now();
        let names: std::collections::BTreeSet<&str> =
            self.telling.databases.iter().map(|(name, _)| name.as_str()).collect();
        // Where none are known, nothing is known to be gone.
        let is_there = |name: &str| names.is_empty() || names.contains(name);
        self.desk.retain(is_there);
        self.pulse.retain(is_there);
        self.watch.retain(is_there);
        self.metrics.retain(is_there);
        for (name, interval) in &self.telling.databases {
            let interval = time::Duration::try_from(*interval).unwrap_or(time::Duration::MAX);
            self.watch.insert(name, interval, now);
            self.metrics.insert(name);
        }
        self.boxes.clear();
        for channel in &self.telling.channels {
            let (sender, inbox) = mpsc::channel(ROOM);
            self.boxes.insert(channel.name(), sender);
            self.metrics.channel(channel.name());
            self.under_way.spawn(deliver(channel.clone(), inbox, self.metrics.clone()));
        }
        #[cfg(feature = "webhooks")]
        {
            self.pings = self.telling.ping.clone().map(|url| {
                let (sender, inbox) = mpsc::channel(ROOM);
                self.metrics.channel("ping");
                self.pinging.spawn(super::pinging::keep_pinging(url, inbox, self.metrics.clone()));
                sender
            });
        }
    }

    fn replace(&mut self, telling: Telling) {
        self.desk.set_rules(telling.rules.clone());
        self.pulse.set_kinds(telling.pings.iter().copied().collect());
        self.watch.set_limits(telling.limits.clone());
        self.memory.set_path(telling.memory.clone());
        self.metrics_file.set_path(telling.metrics_file.clone());
        self.telling = telling;
        self.begin();
    }

    fn hear(&mut self, event: &Event) {
        self.watch.hear(event);
        self.note(event);
    }

    fn note(&mut self, event: &Event) {
        self.desk.hear(event);
        self.pulse.hear(event);
        self.metrics.hear(event);
    }

    /// Does what is due, and says how long nothing will be.
    fn turn(&mut self, now: OffsetDateTime) -> Duration {
        if self.looked.is_none_or(|last| now - last >= LOOK || now < last) {
            self.looked = Some(now);
            for event in self.watch.poll(now) {
                self.note(&event);
            }
        }
        for message in self.desk.poll(now) {
            self.send(message);
        }
        for ping in self.pulse.poll(now) {
            self.ping(ping);
        }
        if self.on_the_way.is_empty() {
            // What is still on its way is told again after a restart.
            self.memory.save(|| Some(memory(&self.desk, &self.watch)));
        }
        self.metrics_file.save(|| self.metrics.text());
        let next = [self.desk.wake_at(), self.pulse.wake_at(now), Some(now + LOOK)];
        let next = next.into_iter().flatten().min().map(|at| at - now);
        next.map_or(NAP, |wait| Duration::try_from(wait).unwrap_or(Duration::ZERO).min(NAP))
    }

    fn send(&mut self, message: Message) {
        let message = Arc::new(message);
        for (name, sender) in &self.boxes {
            let parcel = Parcel::new(Arc::clone(&message), &self.on_the_way);
            if sender.try_send(parcel).is_err() {
                tracing::error!("too much waits for {name}; lost: {}", message.subject());
                self.metrics.sent(name, false);
            }
        }
    }

    /// What a channel of before could not deliver goes over the one of now.
    fn pass_on(&mut self, ended: Option<(&'static str, Vec<Parcel>)>) {
        let Some((name, left)) = ended else { return };
        for parcel in left {
            if let Some(sender) = self.boxes.get(name) {
                // Full: it has newer ones.
                let _ = sender.try_send(parcel);
            }
        }
    }

    #[cfg(feature = "webhooks")]
    fn ping(&self, ping: super::Ping) {
        if let Some(sender) = &self.pings {
            // Full: others are waiting, and one is as good as another.
            let _ = sender.try_send(ping);
        }
    }

    #[cfg(not(feature = "webhooks"))]
    fn ping(&self, _: super::Ping) {}

    async fn end(mut self, grace: Duration) -> usize {
        let now = self.clock.now();
        for event in self.watch.poll(now) {
            self.note(&event);
        }
        for message in self.desk.finish(now) {
            self.send(message);
        }
        for ping in self.pulse.poll(now) {
            self.ping(ping);
        }
        self.boxes.clear();
        let mut left = 0;
        let all = async {
            #[cfg(feature = "webhooks")]
            {
                self.pings = None;
                while self.pinging.join_next().await.is_some() {}
            }
            while let Some(ended) = self.under_way.join_next().await {
                left += ended.map_or(0, |(_, parcels)| parcels.len());
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            left += self.under_way.len();
        }
        if left == 0 {
            self.memory.save_now(|| Some(memory(&self.desk, &self.watch))).await;
        }
        self.metrics_file.save_now(|| self.metrics.text()).await;
        left
    }
}

/// What the next run of the agent is to know.
fn memory(desk: &Desk, watch: &Watch) -> String {
    json!({ "version": 1, "told": desk.memory(), "last_good": watch.memory() }).to_string()
}
