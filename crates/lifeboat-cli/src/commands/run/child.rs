//! The application that runs under the agent: its database is there before it
//! starts, its signals and its exit code pass through.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use lifeboat::service::{FirstStart, Service, Watched};
use rustix::process::{Pid, Signal as Number, kill_process};

use super::Signals;
use crate::arguments::Refusal;
use crate::exit::Exit;
use crate::report::{Reporter, causes};

/// The application.
pub(super) struct Child {
    process: tokio::process::Child,
    name: String,
}

impl Child {
    pub(super) fn spawn(program: &OsStr, arguments: &[OsString]) -> Result<Self, Refusal> {
        let name = program.to_string_lossy().into_owned();
        // Not killed with us: killed hard, it may still write what it has.
        match tokio::process::Command::new(program).args(arguments).spawn() {
            Ok(process) => Ok(Self { process, name }),
            Err(error) => Err(Refusal {
                // As shells have it.
                exit: match error.kind() {
                    std::io::ErrorKind::NotFound => Exit::Other(127),
                    _ => Exit::Other(126),
                },
                message: format!("failed to start {name}: {error}"),
                hint: "what stands after -- is the command and its arguments".into(),
            }),
        }
    }

    /// Waits for its end, and passes signals on until then. SIGHUP is for both: it
    /// has the settings read `again` as well.
    pub(super) async fn wait(&mut self, signals: &mut Signals, again: impl Fn()) -> Exit {
        loop {
            tokio::select! {
                ended = self.process.wait() => return match ended {
                    Ok(status) => exit_of(status),
                    Err(error) => {
                        tracing::error!("failed to wait for {}: {error}", self.name);
                        Exit::Failed
                    }
                },
                _ = signals.terminate.recv() => self.pass_on(Number::TERM),
                // From a terminal it reached the application as well; sent by
                // somebody else it did not. Twice is what a person would do.
                _ = signals.interrupt.recv() => self.pass_on(Number::INT),
                _ = signals.hang_up.recv() => {
                    self.pass_on(Number::HUP);
                    again();
                }
            }
        }
    }

    fn pass_on(&self, signal: Number) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended just now.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Its own exit code, or 128 and the signal that ended it, as shells have it.
fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Exit::Other(u8::try_from(code).unwrap_or(1))
}

/// Brings a database back that is not there. Where no backup was ever made,
/// the application begins with nothing, as on its first day.
pub(super) async fn restore_if_missing(
    service: &Service,
    database: &Watched,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    match service.restore_if_missing(&database.name).await {
        Ok(FirstStart::Restored(restored)) => {
            let id = &restored.report.snapshot_id;
            reporter.note(&format!("{}: restored from {id}", database.path.display()));
            Ok(())
        }
        Ok(FirstStart::NoBackupYet) => {
            reporter.note(&format!("{}: there is no backup yet", database.name));
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal {
            exit: Exit::of(error.kind()),
            message: format!(
                "{} is missing, and was not restored: failed to {}",
                database.path.display(),
                causes(&error)
            ),
            hint: "the application was not started: it would begin with an empty database".into(),
        }),
    }
}
