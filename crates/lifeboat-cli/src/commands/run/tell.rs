//! Who tells people what happens, in a thread of its own: a store that hangs takes
//! threads with it, and must not take the alarm.

use std::thread;
use std::time::Duration;

use lifeboat::agent::{Event, Job, Metrics, What};
use lifeboat::notify::{self, Follow, Telling};
use lifeboat::service::Service;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::arguments::{Arguments, Refusal};
use crate::commands::notify::not_built;
use crate::exit::Exit;
use crate::report::Reporter;

/// How long is waited for what is still on its way at the end.
const GRACE: Duration = Duration::from_secs(3);

/// Tells until it is ended.
pub(super) struct Tell {
    follow: Follow,
    stop: oneshot::Sender<()>,
    /// How many messages did not arrive.
    done: oneshot::Receiver<usize>,
}

impl Tell {
    /// Begins. What the service does from now on is heard.
    pub(super) fn begin(
        arguments: &Arguments,
        service: &Service,
        metrics: Metrics,
    ) -> Result<Self, Refusal> {
        let (follow, followed) = Follow::new(telling(arguments)?);
        let (events, service) = (service.subscribe(), service.clone());
        let (stop, stopped) = oneshot::channel();
        let (say, done) = oneshot::channel();
        let runtime = runtime()?;
        let work = move || {
            let until = async {
                // Also when whoever began it is gone.
                let _ = stopped.await;
            };
            let left = runtime.block_on(followed.run(&service, events, metrics, until, GRACE));
            // A name server that does not answer is not waited for.
            runtime.shutdown_timeout(Duration::from_millis(200));
            let _ = say.send(left);
        };
        thread::Builder::new().name("tell".into()).spawn(work).map_err(failed_to_start)?;
        Ok(Self { follow, stop, done })
    }

    /// Goes by other settings from now on.
    pub(super) fn replace(&self, telling: Telling) {
        self.follow.replace(telling);
    }

    /// Ends, when what waits was tried once more.
    pub(super) async fn end(self, reporter: &Reporter) {
        let _ = self.stop.send(());
        match tokio::time::timeout(GRACE * 2, self.done).await {
            Ok(Ok(0)) => {}
            Ok(Ok(left)) => reporter.warn(&format!(
                "messages that did not arrive: {left}; the next run of the agent tells again"
            )),
            _ => reporter.warn("messages may not have arrived; the next run tells again"),
        }
    }
}

/// Whom to tell, by the settings.
pub(super) fn telling(arguments: &Arguments) -> Result<Telling, Refusal> {
    let setup = arguments.setup();
    notify::telling(setup.configuration().settings(), &setup.directories().state).map_err(not_built)
}

/// Tells that the agent does not run: there is nobody else who could. Only what
/// settings say is needed, and no key. Does nothing where nobody is to be told.
pub(crate) fn of_refusal(arguments: &Arguments, refusal: &Refusal, reporter: &Reporter) {
    // What an application that was run said is its own affair.
    if matches!(refusal.exit, Exit::Other(_)) || !arguments.has_setup() {
        return;
    }
    let what = What::Failed {
        job: Job::Backup,
        took: Duration::ZERO,
        error: format!("the agent did not start: {}", refusal.message),
        hint: Some(refusal.hint.clone()),
        data_is_safe: true,
        failures: 1,
    };
    once(arguments, what, reporter);
}

/// Tells one thing, and waits until it arrived, not long.
pub(super) fn once(arguments: &Arguments, what: What, reporter: &Reporter) {
    let Ok(telling) = telling(arguments) else { return };
    if telling.channels.is_empty() {
        return;
    }
    let reporter = *reporter;
    // Whoever calls may be in a runtime already, where no other may begin or end.
    let work = move || {
        let Ok(runtime) = runtime() else {
            reporter.warn("nobody could be told of it");
            return;
        };
        let event = Event::general(OffsetDateTime::now_utc(), what);
        let left = runtime.block_on(notify::tell_once(telling, &event, GRACE * 5));
        runtime.shutdown_timeout(Duration::from_millis(200));
        if left > 0 {
            reporter.warn("nobody could be told of it");
        }
    };
    if let Ok(thread) = thread::Builder::new().name("tell".into()).spawn(work) {
        let _ = thread.join();
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(failed_to_start)
}

fn failed_to_start(error: std::io::Error) -> Refusal {
    Refusal {
        exit: Exit::Failed,
        message: format!("failed to start whoever tells what happens: {error}"),
        hint: "this is a limit of the system that it runs on".into(),
    }
}
