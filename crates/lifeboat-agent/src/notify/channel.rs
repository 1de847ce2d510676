//! The ways that messages go.

use super::error::SendError;
use super::message::Message;

/// A way that messages go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Channel {
    /// To a URL.
    #[cfg(feature = "webhooks")]
    Webhook(super::Webhook),
    /// By e-mail.
    #[cfg(feature = "mail")]
    Mail(super::Mail),
    /// To a command of the user.
    #[cfg(feature = "commands")]
    Command(MessageCommand),
}

impl Channel {
    /// What it is called in settings, logs and figures.
    pub fn name(&self) -> &'static str {
        match *self {
            #[cfg(feature = "webhooks")]
            Self::Webhook(_) => "webhook",
            #[cfg(feature = "mail")]
            Self::Mail(_) => "mail",
            #[cfg(feature = "commands")]
            Self::Command(_) => "command",
        }
    }

    /// Sends a message, once, within half a minute. Cancelled, it may have arrived.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        // Without any way there is nothing to match, and nothing to send.
        #[cfg(not(any(feature = "webhooks", feature = "mail", feature = "commands")))]
        let _ = message;
        match *self {
            #[cfg(feature = "webhooks")]
            Self::Webhook(ref webhook) => webhook.send(message).await,
            #[cfg(feature = "mail")]
            Self::Mail(ref mail) => mail.send(message).await,
            #[cfg(feature = "commands")]
            Self::Command(ref command) => command.send(message).await,
        }
    }
}

/// A command that gets messages: the text on its standard input, and the rest in
/// `LIFEBOAT_MESSAGE_KIND`, `LIFEBOAT_MESSAGE_SUBJECT`, `LIFEBOAT_MESSAGE_ID` and,
/// unless it is too long for a variable, `LIFEBOAT_MESSAGE_JSON`.
#[cfg(feature = "commands")]
#[derive(Clone, Debug)]
pub struct MessageCommand {
    line: String,
}

/// Linux takes 128 KiB.
#[cfg(feature = "commands")]
const LONGEST_VARIABLE: usize = 100_000;

#[cfg(feature = "commands")]
impl MessageCommand {
    /// A line for a shell.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into() }
    }

    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let limit = std::time::Duration::from_secs(30);
        let kind = if message.is_test { "test".to_owned() } else { message.kind.to_string() };
        let mut variables = vec![
            ("LIFEBOAT_MESSAGE_KIND", kind),
            ("LIFEBOAT_MESSAGE_SUBJECT", message.subject()),
            ("LIFEBOAT_MESSAGE_ID", message.id.clone()),
        ];
        let json = message.json();
        if json.len() <= LONGEST_VARIABLE {
            variables.push(("LIFEBOAT_MESSAGE_JSON", json));
        }
        let done = crate::command::run(&self.line, &variables, Some(&message.text()), limit).await;
        done.map_err(SendError::Command)
    }
}
