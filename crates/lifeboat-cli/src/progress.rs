//! What a running command shows of its progress, on standard error.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lifeboat::repository::{Event, Progress};

use crate::out::{errln, outln};
use crate::text::size;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bars,
    Plain,
    Json,
    None,
}

/// How often a heartbeat says that a phase goes on.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Shows the progress of one database.
pub(crate) fn show(style: Style, name: &str) -> Option<Arc<dyn Progress>> {
    match style {
        Style::None => None,
        Style::Bars => Some(Arc::new(Bars::new(name))),
        Style::Plain | Style::Json => Some(Arc::new(Lines::new(style, name))),
    }
}

/// One bar for reading and one for sending, or one for restoring.
struct Bars {
    read: ProgressBar,
    sent: ProgressBar,
}

impl Bars {
    fn new(name: &str) -> Self {
        let all = MultiProgress::new();
        let bar = |template: &str| {
            let bar = all.add(ProgressBar::hidden());
            let style = ProgressStyle::with_template(template)
                .expect("the template is ours")
                .progress_chars("━╸ ");
            bar.set_style(style);
            bar
        };
        let read = bar(
            "{prefix:>16.bold}  {msg:9} {bar:32.cyan} {bytes:>10} of {total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4} left",
        );
        let sent = bar("                  {msg:9} {bytes:>10} sent");
        read.set_prefix(name.to_owned());
        Self { read, sent }
    }

    fn start(&self, message: &'static str, bytes: u64) {
        self.read.set_message(message);
        self.read.set_position(0);
        self.read.set_length(bytes);
    }
}

impl Progress for Bars {
    fn event(&self, event: Event) {
        match event {
            Event::Reading { bytes } => self.start("reading", bytes),
            Event::Restoring { bytes } => self.start("restoring", bytes),
            Event::Checking { bytes } => self.start("checking", bytes),
            Event::Scanned { bytes } | Event::Restored { bytes } | Event::Checked { bytes } => {
                self.read.inc(bytes)
            }
            Event::Packed { .. } => self.sent.set_message("storing"),
            Event::Sent { bytes } => self.sent.inc(bytes),
            _ => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.read.finish_and_clear();
        self.sent.finish_and_clear();
    }
}

/// One line a phase, and a heartbeat each minute.
struct Lines {
    style: Style,
    name: String,
    state: Mutex<State>,
}

struct State {
    phase: &'static str,
    total: u64,
    done: u64,
    sent: u64,
    spoken: Instant,
}

impl Lines {
    fn new(style: Style, name: &str) -> Self {
        let state = State { phase: "", total: 0, done: 0, sent: 0, spoken: Instant::now() };
        Self { style, name: name.to_owned(), state: Mutex::new(state) }
    }

    fn say(&self, state: &State) {
        let State { phase, total, done, sent, .. } = state;
        if self.style == Style::Json {
            let object = serde_json::json!({
                "message_type": "status",
                "database": self.name,
                "phase": phase,
                "bytes_total": total,
                "bytes_done": done,
                "bytes_sent": sent,
            });
            outln!("{object}");
        } else if *done == 0 {
            errln!("{}: {phase} {}", self.name, size(*total));
        } else {
            let sent = if *sent > 0 { format!(", {} sent", size(*sent)) } else { String::new() };
            errln!("{}: {phase} {} of {}{sent}", self.name, size(*done), size(*total));
        }
    }
}

impl Progress for Lines {
    fn event(&self, event: Event) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let begin = |state: &mut State, phase, total| {
            *state = State { phase, total, done: 0, sent: 0, spoken: Instant::now() };
            self.say(state);
        };
        match event {
            Event::Reading { bytes } => begin(&mut state, "reading", bytes),
            Event::Restoring { bytes } => begin(&mut state, "restoring", bytes),
            Event::Checking { bytes } => begin(&mut state, "checking", bytes),
            Event::Scanned { bytes } | Event::Restored { bytes } | Event::Checked { bytes } => {
                state.done += bytes
            }
            Event::Sent { bytes } => state.sent += bytes,
            _ => {}
        }
        if state.spoken.elapsed() >= HEARTBEAT {
            state.spoken = Instant::now();
            self.say(&state);
        }
    }
}
