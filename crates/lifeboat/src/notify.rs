//! Whom the agent tells, and what it runs, by the settings.
//!
//! Everything here goes by settings alone: no repository, no store and no key is
//! needed to raise an alarm.

mod follow;

use std::path::Path;
use std::time::Duration;

use lifeboat_config::{Event, Notify, Settings};

#[cfg(feature = "commands")]
pub use lifeboat_agent::notify::MessageCommand;
pub use lifeboat_agent::notify::{
    Channel, Desk, Item, Kind, Message, Notifier, NotifierHandle, Ping, PingKind, Pulse, Rules,
    Secret, SendError, Telling,
};
#[cfg(feature = "mail")]
pub use lifeboat_agent::notify::{Mail, MailTls};
#[cfg(feature = "webhooks")]
pub use lifeboat_agent::notify::{
    PingUrl, SIGNATURE_HEADER, SignatureError, Webhook, sign, verify,
};

pub use follow::{Follow, Followed};

/// Something is set that this program was built without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use {setting}: this program was built without its feature {feature}")]
pub struct NotBuilt {
    /// The setting.
    pub setting: &'static str,
    /// What to build it with.
    pub feature: &'static str,
}

/// Whom to tell and of what, by these settings; databases and limits are not in it.
/// What was told is remembered in the state directory.
pub fn telling(settings: &Settings, state: &Path) -> Result<Telling, NotBuilt> {
    let notify = &settings.notify;
    let mut telling = Telling::new(rules(notify));
    telling.channels = channels(notify)?;
    #[cfg(feature = "webhooks")]
    {
        telling.ping = ping_url(notify)?;
    }
    if !notify.ping_on.is_empty() {
        telling.pings = notify.ping_on.iter().map(ping_kind).collect();
    }
    let mut nobody = Notify::default();
    nobody.source.clone_from(&notify.source);
    if *notify != nobody {
        telling.memory = Some(state.join("told.json"));
    }
    if settings.metrics.file.is_some() && !cfg!(feature = "metrics") {
        return Err(NotBuilt { setting: "metrics.file", feature: "metrics" });
    }
    telling.metrics_file.clone_from(&settings.metrics.file);
    Ok(telling)
}

/// Tells one thing, and waits until it arrived or `grace` is over; returns how many
/// messages did not arrive. Where it was told within a day, nobody is told again.
pub async fn tell_once(telling: Telling, event: &lifeboat_agent::Event, grace: Duration) -> usize {
    let (events, heard) = tokio::sync::broadcast::channel(1);
    // Who hears it is there.
    let _ = events.send(event.clone());
    let (notifier, _handle) = Notifier::new(telling, lifeboat_agent::Metrics::new());
    notifier.run(heard, std::future::ready(()), grace).await
}

/// What is told, and who says it.
pub fn rules(notify: &Notify) -> Rules {
    let mut rules = Rules::new(notify.source.clone().unwrap_or_else(machine));
    if !notify.on.is_empty() {
        rules.on = notify.on.iter().map(kind).collect();
    }
    rules
}

/// The name of this machine.
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn kind(event: &Event) -> Kind {
    match event {
        Event::Recovery => Kind::Recovery,
        Event::Warning => Kind::Warning,
        Event::Success => Kind::Success,
        // Kinds may be added; what is not known is told.
        _ => Kind::Failure,
    }
}

fn ping_kind(ping: &lifeboat_config::Ping) -> PingKind {
    match ping {
        lifeboat_config::Ping::Start => PingKind::Start,
        lifeboat_config::Ping::Failure => PingKind::Failure,
        _ => PingKind::Success,
    }
}

/// A secret that is set in one of three ways.
#[cfg(any(feature = "webhooks", feature = "mail"))]
fn secret(
    name: &'static str,
    text: Option<&lifeboat_config::SecretText>,
    file: Option<&Path>,
    command: Option<&str>,
) -> Result<Option<Secret>, NotBuilt> {
    Ok(match (text, file, command) {
        (Some(text), ..) => Some(Secret::text(name, text.reveal())),
        (None, Some(path), _) => Some(Secret::file(name, path)),
        #[cfg(feature = "commands")]
        (None, None, Some(line)) => Some(Secret::command(name, line)),
        #[cfg(not(feature = "commands"))]
        (None, None, Some(_)) => return Err(NotBuilt { setting: name, feature: "commands" }),
        (None, None, None) => None,
    })
}

/// The ways that messages go.
pub fn channels(notify: &Notify) -> Result<Vec<Channel>, NotBuilt> {
    let mut channels = Vec::new();
    #[cfg(feature = "webhooks")]
    if let Some(url) = secret(
        "notify.webhook_url",
        notify.webhook_url.as_ref(),
        notify.webhook_url_file.as_deref(),
        notify.webhook_url_command.as_deref(),
    )? {
        let key = secret(
            "notify.webhook_secret",
            notify.webhook_secret.as_ref(),
            notify.webhook_secret_file.as_deref(),
            notify.webhook_secret_command.as_deref(),
        )?;
        channels.push(Channel::Webhook(Webhook::new(url, key)));
    }
    #[cfg(not(feature = "webhooks"))]
    if notify.webhook_url.is_some()
        || notify.webhook_url_file.is_some()
        || notify.webhook_url_command.is_some()
        || notify.ping_url.is_some()
        || notify.ping_url_file.is_some()
        || notify.ping_url_command.is_some()
    {
        return Err(NotBuilt { setting: "notify.webhook_url", feature: "webhooks" });
    }
    if let Some(mail) = &notify.mail {
        #[cfg(feature = "mail")]
        channels.push(Channel::Mail(by_mail(mail)?));
        #[cfg(not(feature = "mail"))]
        {
            let _ = mail;
            return Err(NotBuilt { setting: "notify.mail", feature: "mail" });
        }
    }
    if let Some(line) = &notify.command {
        #[cfg(feature = "commands")]
        channels.push(Channel::Command(MessageCommand::new(line)));
        #[cfg(not(feature = "commands"))]
        {
            let _ = line;
            return Err(NotBuilt { setting: "notify.command", feature: "commands" });
        }
    }
    Ok(channels)
}

/// The dead man's switch.
#[cfg(feature = "webhooks")]
pub fn ping_url(notify: &Notify) -> Result<Option<PingUrl>, NotBuilt> {
    let url = secret(
        "notify.ping_url",
        notify.ping_url.as_ref(),
        notify.ping_url_file.as_deref(),
        notify.ping_url_command.as_deref(),
    )?;
    Ok(url.map(PingUrl::new))
}

#[cfg(feature = "mail")]
fn by_mail(set: &lifeboat_config::Mail) -> Result<Mail, NotBuilt> {
    let mut mail =
        Mail::new(set.server.clone().unwrap_or_default(), set.from.clone().unwrap_or_default());
    mail.to.clone_from(&set.to);
    mail.port = set.port.and_then(|port| u16::try_from(port).ok());
    mail.tls = match set.tls {
        lifeboat_config::MailTls::Tls => MailTls::Tls,
        lifeboat_config::MailTls::None => MailTls::None,
        _ => MailTls::StartTls,
    };
    if let Some(user) = &set.user {
        let password = secret(
            "notify.mail.password",
            set.password.as_ref(),
            set.password_file.as_deref(),
            set.password_command.as_deref(),
        )?;
        mail.login = password.map(|password| (user.clone(), password));
    }
    Ok(mail)
}

/// What runs around a backup.
#[cfg(feature = "commands")]
pub fn hooks(settings: &Settings) -> lifeboat_agent::Hooks {
    let set = &settings.hooks;
    let mut hooks = lifeboat_agent::Hooks::default();
    hooks.before.clone_from(&set.before);
    hooks.after.clone_from(&set.after);
    hooks.failed.clone_from(&set.failed);
    hooks.limit = set.timeout.unwrap_or(hooks.limit);
    hooks
}
