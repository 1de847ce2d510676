//! Commands of the user: a shell that runs a line, with variables, for a limited
//! time.

use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A command prints no more that is listened to.
const LONGEST: u64 = 64 << 10;

/// Runs a line with these variables, and `input` on its standard input. What it
/// prints goes to standard error: standard output is ours. What it prints is not
/// kept either: it may be anything.
pub(crate) async fn run(
    line: &str,
    variables: &[(&'static str, String)],
    input: Option<&str>,
    limit: Duration,
) -> Result<(), String> {
    let mut command = shell(line);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    command.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
    let mut group = Group::spawn(command)?;
    let work = async {
        if let Some(mut stdin) = group.child.stdin.take() {
            // A command that does not read is no failure.
            let _ = stdin.write_all(input.unwrap_or_default().as_bytes()).await;
        }
        group.child.wait().await
    };
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(status)) => {
            group.is_over = true;
            ended(status)
        }
        Ok(Err(error)) => Err(format!("it cannot be waited for: {error}")),
        Err(_) => Err(format!("it took longer than {} s, and was killed", limit.as_secs())),
    }
}

/// What a line prints on standard output.
pub(crate) async fn output(line: &str, limit: Duration) -> Result<String, String> {
    let mut command = shell(line);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let work = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = group.child.stdout.take() {
            stdout.take(LONGEST).read_to_end(&mut bytes).await?;
        }
        Ok::<_, std::io::Error>((group.child.wait().await?, bytes))
    };
    let (status, bytes) = match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| format!("the command cannot be run: {error}"))?,
        Err(_) => return Err(format!("the command took longer than {} s", limit.as_secs())),
    };
    group.is_over = true;
    ended(status).map_err(|why| format!("the command: {why}"))?;
    String::from_utf8(bytes).map_err(|_| "the command printed no text".to_owned())
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).process_group(0).kill_on_drop(true);
    command
}

fn ended(status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
}

/// A shell and whatever it started: all of it is killed unless it ended by itself.
struct Group {
    child: Child,
    is_over: bool,
}

impl Group {
    fn spawn(mut command: Command) -> Result<Self, String> {
        let child = command.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
        Ok(Self { child, is_over: false })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id.filter(|_| !self.is_over) {
            // It may have ended just now.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}
