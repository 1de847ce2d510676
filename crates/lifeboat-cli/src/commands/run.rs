//! `lifeboat run`: backs up by the schedule, alone or around an application.

mod child;
mod plan;
mod worker;

use std::time::Duration;

use lifeboat::agent::{Driver, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Arguments, Refusal, RunArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use child::Child;
use worker::Worker;

/// How long is waited for what runs when the end is asked for. Service managers
/// and containers wait 10 to 90 seconds before they kill.
const GRACE: Duration = Duration::from_secs(8);

/// How many backups run at once.
const AT_ONCE: usize = 2;

/// Runs until it is told to stop, or until the application ends.
pub(crate) async fn run(arguments: &Arguments, run: &RunArguments, reporter: &Reporter) -> Exit {
    match begin(arguments, run, reporter).await {
        Ok(exit) => exit,
        Err(refusal) => {
            reporter.refuse(&refusal);
            refusal.exit
        }
    }
}

async fn begin(
    arguments: &Arguments,
    run: &RunArguments,
    reporter: &Reporter,
) -> Result<Exit, Refusal> {
    let disabled = arguments.disabled();
    let targets = plan::targets(arguments.setup())?;
    let planned = plan::jobs(arguments.setup(), &targets)?;
    if let Some(disabled) = &disabled {
        let (reason, hint) = (&disabled.reason, &disabled.hint);
        reporter.warn(&format!("backups are disabled: {reason}; {hint}"));
        if run.command.is_empty() {
            return Ok(Exit::Ok);
        }
    } else if run.restore_if_missing {
        for target in &targets {
            child::restore_if_missing(arguments, target, reporter).await?;
        }
    }
    let mut signals = Signals::new()?;
    let mut child = match run.command.split_first() {
        Some((program, rest)) => Some(Child::spawn(program, rest)?),
        None => None,
    };
    if disabled.is_some() {
        // Nothing to do but what the application does.
        let child = child.as_mut().expect("without one it is over");
        return Ok(child.wait(&mut signals).await);
    }
    let worker = Worker::new(Arguments::again()?, targets, *reporter);
    let (mut driver, handle) = Driver::new(AT_ONCE, seed());
    driver.replace(planned);
    let count = worker.count();
    reporter.note(&format!("{count} to watch; the first backups begin now"));
    ready();
    let mut exit = Exit::Ok;
    let until = async {
        match &mut child {
            Some(child) => exit = child.wait(&mut signals).await,
            None => stopped(&mut signals, &worker, &handle, reporter).await,
        }
        stopping();
    };
    let dropped = driver.run(&worker, until, GRACE).await;
    if dropped > 0 {
        reporter.warn(
            "a backup was interrupted; what was stored is whole, and the next run goes on from there",
        );
    }
    if child.is_some() {
        // What the application did last.
        worker.back_up_all().await;
    }
    Ok(exit)
}

/// Waits for the signal that ends it, and reads the settings anew on SIGHUP.
async fn stopped(signals: &mut Signals, worker: &Worker, handle: &Handle, reporter: &Reporter) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hang_up.recv() => {
                if let Err(refusal) = reload(worker, handle) {
                    reporter.refuse(&refusal);
                    reporter.warn("the settings from before stay in use");
                }
            }
        }
    }
}

/// Takes over what the settings say now, whole or not at all.
fn reload(worker: &Worker, handle: &Handle) -> Result<(), Refusal> {
    let arguments = Arguments::again()?;
    let targets = plan::targets(arguments.setup())?;
    let planned = plan::jobs(arguments.setup(), &targets)?;
    worker.replace(arguments, targets);
    handle.replace(planned);
    Ok(())
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, Refusal> {
        let listen = |kind| {
            signal(kind).map_err(|error| Refusal {
                exit: Exit::Failed,
                message: format!("failed to listen for signals: {error}"),
                hint: "this is a limit of the system that it runs on".into(),
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// Different on every machine and at every start; nothing secret.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Tells a service manager that asked to be told; nobody else hears it.
fn ready() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

fn stopping() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}
