//! The life cycle of a process: start, run, drain, stop.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::AdminConfig;
use crate::tls::{Tls, TlsConfig};
use crate::{OnFailure, Readiness, Tasks, admin, telemetry};

/// How long tasks may take to end after the drain.
const TASKS_END_WITHIN: Duration = Duration::from_secs(10);
/// The exit code after a second signal.
const EXIT_FORCED: i32 = 130;

/// The state that the parts of a process share.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The named tasks; their stop signal fires after the drain.
    pub tasks: Tasks,
    /// The conditions of readiness.
    pub readiness: Readiness,
    /// Mutual TLS between services; without it their connections are plain.
    pub tls: Option<Tls>,
    drain: CancellationToken,
}

impl Shell {
    /// Binds the admin port, reads the certificates and installs signal handlers.
    pub async fn start(name: &'static str, admin: &AdminConfig, tls: Option<&TlsConfig>) -> anyhow::Result<Self> {
        let metrics = telemetry::install_metrics()?;
        let listener = TcpListener::bind(admin.listen).await.context("the admin port can't be bound")?;
        let mut shell = Self::without_admin();
        if let Some(config) = tls {
            shell.tls = Some(Tls::start(config, &shell.tasks).await.context("[tls]")?);
        }
        let (address, version) = (listener.local_addr()?, env!("CARGO_PKG_VERSION"));
        tracing::info!(service = name, admin = %address, version, "starting");
        admin::spawn(&shell.tasks, listener, shell.readiness.clone(), metrics);
        shell.listen_for_signals()?;
        Ok(shell)
    }

    /// A shell without an admin port, for commands that do not serve and for tests.
    pub fn without_admin() -> Self {
        Self {
            tasks: Tasks::new(CancellationToken::new()),
            readiness: Readiness::new(),
            tls: None,
            drain: CancellationToken::new(),
        }
    }

    /// Binds a port and logs the actual address.
    pub async fn bind(&self, what: &'static str, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("{what}: {address} can't be bound"))?;
        tracing::info!(listener = what, address = %listener.local_addr()?, "listening");
        Ok(listener)
    }

    /// The signal for servers to finish requests in flight and accept no new ones.
    pub fn drain_signal(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Ends readiness and starts the drain, as SIGTERM and SIGINT do.
    pub fn stop(&self) {
        self.readiness.drain();
        self.drain.cancel();
    }

    /// Ends the tasks after the servers have drained, and waits for them, 10 s at most.
    ///
    /// # Errors
    /// When a vital task has failed.
    pub async fn finish(self) -> anyhow::Result<()> {
        let failed = self.tasks.have_failed();
        self.stop();
        self.tasks.stop_signal().cancel();
        if tokio::time::timeout(TASKS_END_WITHIN, self.tasks.finished()).await.is_err() {
            tracing::warn!(tasks = ?self.tasks.running(), "tasks were still running at the end");
        }
        anyhow::ensure!(!failed, "a vital task failed");
        tracing::info!("stopped");
        Ok(())
    }

    fn listen_for_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shell = self.clone();
        let tasks_stop = self.tasks.stop_signal();
        self.tasks.spawn("signals", OnFailure::Stop, async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = tasks_stop.cancelled() => { shell.stop(); return Ok::<(), std::convert::Infallible>(()) }
            }
            tracing::info!("stopping: draining");
            shell.stop();
            tokio::select! {
                _ = terminate.recv() => std::process::exit(EXIT_FORCED),
                _ = interrupt.recv() => std::process::exit(EXIT_FORCED),
                () = tasks_stop.cancelled() => Ok(()),
            }
        });
        Ok(())
    }
}
