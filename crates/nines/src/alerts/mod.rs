//! `nines alerts`: forwards alerts from Alertmanager.

mod dingtalk;
mod notification;
mod relay;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use relay::RelayAlerts;

/// Forward alerts from Alertmanager.
#[derive(Debug, Args)]
pub struct Alerts {
    #[command(subcommand)]
    action: AlertsAction,
}

#[derive(Debug, Subcommand)]
enum AlertsAction {
    /// Receive Alertmanager's webhooks, and send them to the robot of a DingTalk group.
    ///
    /// Alertmanager posts to /dingtalk. A notification that DingTalk does not accept is answered with 502, so that
    /// Alertmanager retries it.
    Relay(RelayAlerts),
}

impl Alerts {
    /// Runs the command; a relay runs until it is dropped.
    ///
    /// # Errors
    /// When a file can't be read, the robot's address is not valid, or the port can't be bound.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let AlertsAction::Relay(relay) = self.action;
        relay.run().await
    }
}
