//! A notifier beside a service: it knows which databases there are, and when they
//! are due.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use lifeboat_agent::notify::{Notifier, NotifierHandle, Telling};
use lifeboat_agent::{Event, Metrics};
use tokio::sync::{broadcast, mpsc};

use crate::service::Service;

/// How often it is looked when databases are due, and whether there are others.
const LOOK: Duration = Duration::from_secs(15);

/// Where somebody who follows a service is told of other settings.
#[derive(Clone, Debug)]
pub struct Follow {
    wishes: mpsc::UnboundedSender<Telling>,
}

/// The other end of a [`Follow`].
#[derive(Debug)]
pub struct Followed {
    wishes: mpsc::UnboundedReceiver<Telling>,
    telling: Telling,
}

impl Follow {
    /// Whom to tell and of what; which databases there are is asked of the service.
    pub fn new(telling: Telling) -> (Self, Followed) {
        let (sender, wishes) = mpsc::unbounded_channel();
        (Self { wishes: sender }, Followed { wishes, telling })
    }

    /// Goes by this from now on.
    pub fn replace(&self, telling: Telling) {
        // Nobody there tells nothing.
        let _ = self.wishes.send(telling);
    }
}

impl Followed {
    /// Tells what happens in a service until `stop` comes true, and then for `grace`
    /// what waits; returns how many messages did not arrive. `events` are those of
    /// [`Service::subscribe`], from before it was started.
    ///
    /// It needs nothing of the service but what it says of itself: run it in a runtime
    /// and a thread of its own, and alarms leave even where a store that hangs keeps
    /// everything else from running. Dropped, messages on their way may be lost.
    pub async fn run(
        mut self,
        service: &Service,
        events: broadcast::Receiver<Event>,
        metrics: Metrics,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> usize {
        self.telling = of_service(self.telling, service);
        let (notifier, handle) = Notifier::new(self.telling.clone(), metrics.clone());
        let told = pin!(notifier.run(events, stop, grace));
        // Beside it: where the service hangs, what is asked of it is not answered.
        let rest = async {
            // The schedule is made within a moment.
            let mut pause = Duration::from_secs(1);
            loop {
                tokio::select! {
                    Some(telling) = self.wishes.recv() => self.adopt(telling, service, &handle),
                    () = tokio::time::sleep(pause) => {
                        pause = LOOK;
                        self.look(service, &handle, &metrics).await;
                    }
                }
            }
        };
        tokio::select! {
            left = told => left,
            never = rest => never,
        }
    }

    fn adopt(&mut self, telling: Telling, service: &Service, handle: &NotifierHandle) {
        self.telling = of_service(telling, service);
        handle.replace(self.telling.clone());
    }

    async fn look(&mut self, service: &Service, handle: &NotifierHandle, metrics: &Metrics) {
        let names: BTreeSet<String> =
            service.databases().iter().map(|one| one.name.clone()).collect();
        let known: BTreeSet<String> =
            self.telling.databases.iter().map(|(name, _)| name.clone()).collect();
        if names != known {
            self.adopt(self.telling.clone(), service, handle);
        }
        for name in &names {
            metrics.next_run(name, service.next_run(name).await);
            metrics.following(name, service.following(name));
        }
    }
}

/// With the databases of a service as they are now, and its limits.
fn of_service(mut telling: Telling, service: &Service) -> Telling {
    let interval = |schedule: &lifeboat_agent::Schedule| schedule.longest_gap() + schedule.jitter();
    telling.databases =
        service.databases().iter().map(|one| (one.name.clone(), interval(&one.schedule))).collect();
    telling.limits = service.limits();
    telling
}
