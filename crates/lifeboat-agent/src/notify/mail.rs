//! Messages by e-mail.

use std::error::Error;
use std::time::Duration;

use lettre::message::{Mailbox, Mailboxes, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::error::SendError;
use super::message::Message;
use super::secret::Secret;

/// How long one attempt may take, in all.
const LIMIT: Duration = Duration::from_secs(30);

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailTls {
    /// The connection begins plainly and must become encrypted before anything is
    /// said; port 587.
    #[default]
    StartTls,
    /// Encrypted from the beginning; port 465.
    Tls,
    /// Not at all: for a server on this machine; port 25.
    None,
}

/// A server that takes mail, and whom it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mail {
    /// The name of the server.
    pub server: String,
    /// Another port than the usual one.
    pub port: Option<u16>,
    /// How the way there is protected.
    pub tls: MailTls,
    /// Who sends it: `backups@example.org` or `Backups <backups@example.org>`.
    pub from: String,
    /// Whom it is for.
    pub to: Vec<String>,
    /// Name and password, where the server wants them.
    pub login: Option<(String, Secret)>,
}

impl Mail {
    /// By a server, from somebody, to nobody yet.
    pub fn new(server: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            port: None,
            tls: MailTls::default(),
            from: from.into(),
            to: Vec::new(),
            login: None,
        }
    }

    /// Sends a message, once. Cancelled, it may have left.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = self.compose(message)?;
        let transport = self.transport(&message.source).await?;
        match tokio::time::timeout(LIMIT, transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(SendError::TimedOut(LIMIT)),
        }
    }

    fn compose(&self, message: &Message) -> Result<lettre::Message, SendError> {
        let bad = |what: &str, why: String| SendError::Setting { what: what.into(), why };
        let from: Mailbox =
            self.from.parse().map_err(|_| bad("notify.mail.from", "it is no address".into()))?;
        let to: Mailboxes = self
            .to
            .iter()
            .map(|one| one.parse::<Mailbox>())
            .collect::<Result<_, _>>()
            .map_err(|_| bad("notify.mail.to", "not all of them are addresses".into()))?;
        let id = format!("<{}@{}>", message.id, from.email.domain());
        let mut builder = lettre::Message::builder()
            .from(from)
            .subject(message.subject())
            .message_id(Some(id))
            .date(std::time::SystemTime::from(message.at))
            .header(ContentType::TEXT_PLAIN);
        for one in to {
            builder = builder.to(one);
        }
        builder.body(message.text()).map_err(|error| bad("notify.mail", error.to_string()))
    }

    async fn transport(
        &self,
        source: &str,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let parameters = || {
            TlsParameters::new(self.server.clone()).map_err(|error| SendError::Setting {
                what: "TLS on this system".into(),
                why: words(&error),
            })
        };
        let (port, tls) = match self.tls {
            MailTls::StartTls => (587, Tls::Required(parameters()?)),
            MailTls::Tls => (465, Tls::Wrapper(parameters()?)),
            MailTls::None => (25, Tls::None),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.server)
            .port(self.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(LIMIT));
        // Some servers want to be greeted with a name of the net.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if !source.is_empty() && source.chars().all(is_name) {
            builder = builder.hello_name(ClientId::Domain(source.to_owned()));
        }
        if let Some((user, password)) = &self.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.read().await?));
        }
        Ok(builder.build())
    }
}

fn judge(error: &lettre::transport::smtp::Error) -> SendError {
    if error.is_transient() || error.is_permanent() {
        SendError::Refused(words(error))
    } else if error.is_timeout() {
        SendError::TimedOut(LIMIT)
    } else {
        SendError::Unreachable(words(error))
    }
}

/// With causes.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = cause.source();
    }
    words
}
