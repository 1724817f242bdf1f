//! `nines ps`: lists the processes of a stack with their state.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use cli::{StackFolder, terminal};
use devstack::stack::{ServiceState, StackDir};
use futures::future::join_all;
use tokio::net::TcpStream;

/// How long a readiness probe may take.
const PROBE_BOUND: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Ps {
    #[command(flatten)]
    folder: StackFolder,
}

impl Ps {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let shown = self.folder.dir.display();
        let state = StackDir::find(&self.folder.dir)?.map(|dir| dir.state()).transpose()?.flatten();
        let Some(state) = state else {
            terminal::line(format!("nothing runs in {shown}"))?;
            return Ok(ExitCode::SUCCESS);
        };
        if !state.ready {
            terminal::line(format!("the stack in {shown} is starting"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let http = reqwest::Client::builder().timeout(PROBE_BOUND).build().context("can't make an HTTP client")?;
        let rows = join_all(state.services.iter().map(|service| row(service, &http))).await;
        terminal::line(format!("{:<14} {:>8} {:>6} {:<8} {:<8} {:>8}", "NAME", "PID", "PORT", "STATE", "READY", "UP"))?;
        for row in rows {
            terminal::line(row)?;
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
    format!("{name:<14} {pid:>8} {port:>6} {:<8} {ready:<8} {:>8}", "running", age(service.started_at_ms))
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

/// The time since then: `3 s`, `12 min`, `2 h`, `4 d`.
fn age(since_ms: u64) -> String {
    let since = UNIX_EPOCH + Duration::from_millis(since_ms);
    let seconds = SystemTime::now().duration_since(since).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
