//! The `lifeboat` command: reads what was typed, calls the library, prints.

mod arguments;
mod commands;
mod disabled;
mod env_file;
mod exit;
mod out;
mod progress;
mod report;
mod secrets;
mod targets;
mod text;
mod when;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command, StorageCommand};
use commands::health::{UNKNOWN, is_plugin, unknown};
use exit::Exit;
use out::errln;

use report::Reporter;

fn main() -> std::process::ExitCode {
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to the parser, and successes to people.
            let exit = match error.use_stderr() {
                true if is_plugin() => UNKNOWN,
                true => Exit::Usage,
                false => Exit::Ok,
            };
            let _ = error.print();
            return exit.into();
        }
    };
    let reporter = Reporter::new(&arguments);
    if let Some(path) = &arguments.env_file
        && let Err(refusal) = env_file::enter(path)
    {
        reporter.refuse(&refusal);
        return refusal.exit.into();
    }
    log_to_stderr(&arguments);
    if let Err(refusal) = arguments.prepare() {
        if is_plugin() {
            return unknown(&refusal.message).into();
        }
        reporter.refuse(&refusal);
        if matches!(arguments.command, Command::Run(_)) {
            // Without a key nothing is backed up: somebody should hear of it.
            commands::run::of_refusal(&arguments, &refusal, &reporter);
        }
        return refusal.exit.into();
    }
    if let Some(disabled) = arguments.disabled()
        && let Some(exit) = disabled::answer(&arguments.command, &disabled, &reporter)
    {
        return exit.into();
    }
    // Few threads, because the allocator keeps what each of them used: one that
    // reads or writes the database, the others for the files of a store.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            errln!("error: failed to start: {error}");
            return Exit::Failed.into();
        }
    };
    // What runs until it is told to stop hears of that itself.
    let hears_signals = matches!(arguments.command, Command::Run(_));
    let exit = runtime.block_on(async {
        tokio::select! {
            exit = run(&arguments, &reporter) => exit,
            signal = interrupted(), if !hears_signals => {
                reporter.interrupted(signal);
                signal
            }
        }
    });
    // After a signal, what still reads or writes notices within one group of pages;
    // nothing it could leave behind is more than the next run clears away. Without
    // one nothing of ours runs any more, but a name server that does not answer may
    // be waited for still.
    let by_signal = matches!(exit, Exit::Interrupted | Exit::Terminated)
        || matches!(arguments.command, Command::Run(_));
    let patience = if by_signal { 5000 } else { 200 };
    if by_signal {
        // A thread that waits for a store finds that there are no timers any more,
        // and panics: that is how it ends, and nobody need read of it.
        std::panic::set_hook(Box::new(|_| {}));
    }
    runtime.shutdown_timeout(std::time::Duration::from_millis(patience));
    exit.into()
}

async fn run(arguments: &Arguments, reporter: &Reporter) -> Exit {
    match &arguments.command {
        Command::Init(init) => commands::init::run(arguments, init, reporter).await,
        Command::Backup(backup) => commands::backup::run(arguments, backup, reporter).await,
        Command::Snapshots(list) => commands::snapshots::run(arguments, list, reporter).await,
        Command::Restore(restore) => commands::restore::run(arguments, restore, reporter).await,
        Command::Export(export) => commands::export::run(arguments, export, reporter).await,
        Command::Decrypt { file, output } => {
            commands::decrypt::run(arguments, file, output, reporter).await
        }
        Command::Import { prefix, name, dry_run } => {
            commands::import::run(arguments, prefix, name.as_deref(), *dry_run, reporter).await
        }
        Command::Check(check) => commands::check::run(arguments, check, reporter).await,
        Command::Drill(drill) => commands::drill::run(arguments, drill, reporter).await,
        Command::Repair(repair) => commands::repair::run(arguments, repair, reporter).await,
        Command::Forget(forget) => commands::forget::run(arguments, forget, reporter).await,
        Command::Undelete(pick) => commands::trash::undelete(arguments, pick, reporter).await,
        Command::Pin(pick) => commands::trash::pin(arguments, pick, true, reporter).await,
        Command::Unpin(pick) => commands::trash::pin(arguments, pick, false, reporter).await,
        Command::Prune(prune) => commands::prune::run(arguments, prune, reporter).await,
        Command::Diff(diff) => commands::diff::run(arguments, diff, reporter).await,
        Command::Stats { name } => commands::stats::run(arguments, name.as_deref(), reporter).await,
        Command::Run(run) => commands::run::run(arguments, run, reporter).await,
        Command::Health(asked) => commands::health::run(arguments, asked, reporter).await,
        Command::Notify(command) => commands::notify::run(arguments, command, reporter).await,
        Command::Status => commands::status::run(arguments, reporter).await,
        Command::Key(key) => commands::key::run(arguments, key, reporter).await,
        Command::Copy(copy) => commands::sync::copy(arguments, copy, reporter).await,
        Command::Sync { name, wait } => {
            commands::sync::run(arguments, name.as_deref(), *wait, reporter).await
        }
        Command::Object(object) => commands::object::run(arguments, object, reporter).await,
        Command::Links(links) => commands::links::run(arguments, links, reporter).await,
        Command::Doctor { databases } => {
            commands::doctor::run(arguments, databases, reporter).await
        }
        Command::Storage(StorageCommand::Probe { url }) => {
            commands::storage::probe(arguments, url.as_deref(), reporter).await
        }
        Command::Config(config) => commands::config::run(arguments, config, reporter),
        Command::Completions { shell } => commands::completions::run(*shell),
        Command::Man { into } => commands::man::run(into.as_deref(), reporter),
    }
}

/// Waits for a signal that ends the command. Whatever was running is dropped,
/// which leaves at most garbage.
async fn interrupted() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => Exit::Interrupted,
        () = terminated => Exit::Terminated,
    }
}

fn log_to_stderr(arguments: &Arguments) {
    let json = arguments.logs_json();
    let level = match (arguments.quiet, arguments.verbose) {
        // Where there are no credentials, AWS's library tells it for each place
        // where it looked; the error that follows says it once.
        (true, _) => "error,aws_config=off",
        // A log for programs has what is otherwise printed.
        (false, 0) if json => "lifeboat=info,warn,aws_config=off",
        (false, 0) => "warn,aws_config=off",
        (false, 1) => "lifeboat=info,warn,aws_config=off",
        (false, 2) => "lifeboat=debug,info",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("LIFEBOAT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    if json {
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
        log.with_writer(std::io::stderr).init();
        return;
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(text::colours_on_stderr())
        .without_time()
        .with_target(false)
        .init();
}
