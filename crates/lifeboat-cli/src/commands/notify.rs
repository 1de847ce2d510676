//! `lifeboat notify test`: whether messages arrive.

use lifeboat::config::Settings;
use lifeboat::notify::{self, Message, NotBuilt, Ping, PingKind, SendError};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::{Arguments, ChannelName, NotifyCommand, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::several;

pub(crate) async fn run(
    arguments: &Arguments,
    command: &NotifyCommand,
    reporter: &Reporter,
) -> Exit {
    let NotifyCommand::Test { channel } = command;
    let settings = arguments.setup().configuration().settings();
    match test(settings, *channel, reporter).await {
        Ok(exit) => exit,
        Err(refusal) => {
            reporter.refuse(&refusal);
            refusal.exit
        }
    }
}

async fn test(
    settings: &Settings,
    only: Option<ChannelName>,
    reporter: &Reporter,
) -> Result<Exit, Refusal> {
    let set = &settings.notify;
    let is_meant = |name: &str| only.is_none_or(|only| only.name() == name);
    let channels = notify::channels(set).map_err(not_built)?;
    let message = Message::test(&notify::rules(set).source, OffsetDateTime::now_utc());
    let mut exits = Vec::new();
    for channel in channels.iter().filter(|channel| is_meant(channel.name())) {
        exits.push(tell(channel.name(), channel.send(&message).await, reporter));
    }
    if let Some(url) = notify::ping_url(set).map_err(not_built)?.filter(|_| is_meant("ping")) {
        let ping = Ping::new(PingKind::Success, message.subject());
        exits.push(tell("ping", url.send(&ping).await, reporter));
    }
    if exits.is_empty() {
        return Err(Refusal {
            exit: Exit::Usage,
            message: match only {
                Some(only) => format!("nobody is set to be told by {}", only.name()),
                None => "nobody is set to be told".to_owned(),
            },
            hint: "set notify.webhook_url, notify.command, notify.ping_url or [notify.mail]; \
                   docs/monitoring.md has examples"
                .into(),
        });
    }
    let failed = exits.iter().filter(|exit| **exit != Exit::Ok).count();
    let exit = Exit::of_all(&exits);
    let summary = json!({ "channels": exits.len(), "failed": failed, "code": exit.code() });
    let count = several(exits.len() as u64, "channel");
    reporter.told(summary, &[format!("{count} tried, {failed} failed")]);
    Ok(exit)
}

fn tell(name: &str, sent: Result<(), SendError>, reporter: &Reporter) -> Exit {
    let error = sent.err().map(|error| format!("failed to {error}"));
    let line = match &error {
        None => format!("{name}: ok"),
        Some(error) => format!("{name}: {error}"),
    };
    reporter.found(
        "channel",
        json!({ "channel": name, "ok": error.is_none(), "error": error }),
        &line,
    );
    if error.is_none() { Exit::Ok } else { Exit::Failed }
}

pub(crate) fn not_built(error: NotBuilt) -> Refusal {
    Refusal {
        exit: Exit::Usage,
        message: format!("failed to {error}"),
        hint: "the released program has all features".into(),
    }
}
