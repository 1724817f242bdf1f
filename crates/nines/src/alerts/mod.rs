//! `nines alerts`: hands on what Alertmanager tells.

mod dingtalk;
mod http;
mod notification;
mod relay;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use self::http::Http;
use relay::RelayAlerts;

/// Hand on what Alertmanager tells.
#[derive(Debug, Args)]
pub struct Alerts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take Alertmanager's webhooks, and send them to the robot of a DingTalk group.
    ///
    /// Alertmanager posts to /dingtalk. What DingTalk does not take is answered with 502, so that Alertmanager tries
    /// again.
    Relay(RelayAlerts),
}

impl Alerts {
    /// Runs the command; a relay runs until it is dropped.
    ///
    /// # Errors
    /// When a file can't be read, the robot's address is not one, or the port can't be listened on.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Relay(relay) = self.action;
        relay.run().await
    }
}
