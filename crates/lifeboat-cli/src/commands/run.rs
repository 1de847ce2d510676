//! `lifeboat run`: backs up by the schedule, alone or around an application.

mod child;
mod log;
pub(crate) mod page;
mod tell;

use std::sync::Arc;

use lifeboat::agent::{Metrics, SystemClock, What};
use lifeboat::service::{Service, ServicePlan};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Arguments, Refusal, RunArguments};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::several;
use child::Child;
use log::Log;
use tell::Tell;
pub(crate) use tell::of_refusal;

const CUT_OFF: &str =
    "a backup was interrupted; what was stored is whole, and the next run goes on from there";

/// Runs until it is told to stop, or until the application ends.
pub(crate) async fn run(arguments: &Arguments, run: &RunArguments, reporter: &Reporter) -> Exit {
    match begin(arguments, run, reporter).await {
        Ok(exit) => exit,
        Err(refusal) => {
            reporter.refuse(&refusal);
            of_refusal(arguments, &refusal, reporter);
            refusal.exit
        }
    }
}

async fn begin(
    arguments: &Arguments,
    run: &RunArguments,
    reporter: &Reporter,
) -> Result<Exit, Refusal> {
    let log = Arc::new(Log::new(arguments, *reporter));
    let service = Service::with(plan(arguments)?, Arc::new(SystemClock), log);
    if let Some(disabled) = service.disabled() {
        let (reason, hint) = (&disabled.reason, &disabled.hint);
        reporter.warn(&format!("backups are disabled: {reason}; {hint}"));
        let what = What::Disabled { reason: reason.clone(), hint: hint.clone() };
        // The page says so as well, to whoever looks for backups there.
        if run.command.is_empty() && !page::is_wanted(arguments) {
            tell::once(arguments, what, reporter);
            return Ok(Exit::Ok);
        }
    } else if run.restore_if_missing {
        for database in service.databases() {
            child::restore_if_missing(&service, &database, reporter).await?;
        }
    }
    let metrics = Metrics::new();
    let page = page::open(arguments, &service, &metrics, reporter).await?;
    let mut signals = Signals::new()?;
    let mut child = match run.command.split_first() {
        Some((program, rest)) => Some(Child::spawn(program, rest)?),
        None => None,
    };
    let count = several(service.databases().len() as u64, "database");
    if service.disabled().is_none() {
        reporter.note(&format!("{count} to watch; the first backups begin now"));
    }
    let tell = Tell::begin(arguments, &service, metrics)?;
    service.start();
    ready();
    let again = || match reload(&service, &tell) {
        Ok(()) => {
            let count = several(service.databases().len() as u64, "database");
            reporter.note(&format!("the settings were read anew; {count} to watch"));
        }
        Err(refusal) => {
            reporter.refuse(&refusal);
            reporter.warn("the settings from before stay in use");
        }
    };
    let exit = match &mut child {
        Some(child) => child.wait(&mut signals, again).await,
        None => tokio::select! {
            () = stopped(&mut signals, again) => Exit::Ok,
            () = service.lost() => {
                reporter.warn("all databases belong to other installations now: nothing is left to do");
                Exit::HeldByOther
            }
        },
    };
    stopping();
    if let Some(page) = page {
        page.close().await;
    }
    if service.shutdown().await > 0 {
        reporter.warn(CUT_OFF);
    }
    if child.is_some() {
        // What the application did last. Who asks for the end again means it.
        tokio::select! {
            _ = service.trigger_rest() => {}
            _ = signals.terminate.recv() => reporter.warn(CUT_OFF),
            _ = signals.interrupt.recv() => reporter.warn(CUT_OFF),
        }
    }
    tell.end(reporter).await;
    Ok(exit)
}

/// What the settings say.
fn plan(arguments: &Arguments) -> Result<ServicePlan, Refusal> {
    Ok(ServicePlan::of(Arc::clone(arguments.setup()), arguments.secret.as_ref())?)
}

/// Waits for the signal that ends it, and reads the settings anew on SIGHUP.
async fn stopped(signals: &mut Signals, again: impl Fn()) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hang_up.recv() => again(),
        }
    }
}

/// Takes over what the settings say now, whole or not at all.
fn reload(service: &Service, tell: &Tell) -> Result<(), Refusal> {
    let arguments = Arguments::again()?;
    let telling = tell::telling(&arguments)?;
    service.reload(plan(&arguments)?);
    tell.replace(telling);
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

/// Tells a service manager that asked to be told; nobody else hears it.
fn ready() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

fn stopping() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}
