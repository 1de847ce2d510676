//! Telling people and programs what happens: which news are told when, and the
//! ways that they go.
//!
//! [`Desk`], [`Pulse`] and [`Message`] decide without a clock or a wire; [`Notifier`]
//! sends what they decide over each [`Channel`], and tries again what did not
//! arrive. Nothing here needs a repository, a store or its credentials.

mod channel;
mod delivery;
mod desk;
mod error;
#[cfg(feature = "webhooks")]
mod http;
#[cfg(feature = "mail")]
mod mail;
mod memory;
mod message;
mod notifier;
#[cfg(feature = "webhooks")]
mod ping;
#[cfg(feature = "webhooks")]
mod pinging;
mod pulse;
mod saved;
mod secret;
#[cfg(feature = "webhooks")]
mod signature;
mod topic;
#[cfg(feature = "webhooks")]
mod webhook;

pub use channel::Channel;
#[cfg(feature = "commands")]
pub use channel::MessageCommand;
pub use desk::{Desk, Rules};
pub use error::SendError;
#[cfg(feature = "mail")]
pub use mail::{Mail, MailTls};
pub use message::{Item, Kind, Message};
pub use notifier::{Notifier, NotifierHandle, Telling};
#[cfg(feature = "webhooks")]
pub use ping::PingUrl;
pub use pulse::{Ping, PingKind, Pulse};
pub use secret::Secret;
#[cfg(feature = "webhooks")]
pub use signature::{SIGNATURE_HEADER, SignatureError, sign, verify};
#[cfg(feature = "webhooks")]
pub use webhook::Webhook;

#[cfg(feature = "commands")]
pub(crate) use message::{clip, rfc3339};
