//! `nines ps`: lists the processes of a stack and how they are.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use devstack::stack::{ServiceState, StackDir};
use futures::future::join_all;
use tokio::net::TcpStream;

use super::{Place, up};
use crate::output;

/// How long a process may take to say whether it is ready.
const PROBE_BOUND: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Ps {
    #[command(flatten)]
    place: Place,
}

impl Ps {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let shown = self.place.dir.display();
        let state = StackDir::find(&self.place.dir)?.map(|dir| dir.state()).transpose()?.flatten();
        let Some(state) = state else {
            output::result(&format!("nothing runs in {shown}"))?;
            return Ok(ExitCode::SUCCESS);
        };
        if !state.ready {
            output::result(&format!("the stack in {shown} is starting"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let http = reqwest::Client::builder().timeout(PROBE_BOUND).build().context("can't make an HTTP client")?;
        let rows = join_all(state.services.iter().map(|service| row(service, &http))).await;
        output::result(&format!(
            "{:<14} {:>8} {:>6} {:<8} {:<8} {:>8}",
            "NAME", "PID", "PORT", "STATE", "READY", "UP"
        ))?;
        for row in rows {
            output::result(&row)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn row(service: &ServiceState, http: &reqwest::Client) -> String {
    let (name, pid, port) = (&service.name, service.identity.pid, service.port);
    if !service.identity.is_alive() {
        return format!("{name:<14} {pid:>8} {port:>6} {:<8} {:<8} {:>8}", "dead", "-", "-");
    }
    let ready = if is_ready(service, http).await { "ready" } else { "unready" };
    format!("{name:<14} {pid:>8} {port:>6} {:<8} {ready:<8} {:>8}", "running", up::age(service.started_at_ms))
}

async fn is_ready(service: &ServiceState, http: &reqwest::Client) -> bool {
    match &service.admin_url {
        Some(url) => http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()),
        None => {
            let connect = TcpStream::connect(("127.0.0.1", service.port));
            matches!(tokio::time::timeout(PROBE_BOUND, connect).await, Ok(Ok(_)))
        }
    }
}
