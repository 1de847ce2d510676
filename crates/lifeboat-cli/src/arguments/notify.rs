//! What `notify` takes.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// Send a test message over each channel, and say which arrived
    ///
    /// To a ping URL a test is a success.
    Test {
        /// Only over this one
        #[arg(long, value_name = "NAME")]
        channel: Option<ChannelName>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelName {
    /// notify.webhook_url
    Webhook,
    /// [notify.mail]
    Mail,
    /// notify.command
    Command,
    /// notify.ping_url
    Ping,
}

impl ChannelName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Mail => "mail",
            Self::Command => "command",
            Self::Ping => "ping",
        }
    }
}
