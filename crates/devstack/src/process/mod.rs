//! A supervised child process: its log, its exit, and how it is stopped, killed and restarted.

mod identity;
mod spawn;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tokio::sync::watch;

pub use self::identity::Identity;
use crate::error::Context;
use crate::{Error, Result, files};

/// How long a process may take to end after SIGKILL.
const KILL_BOUND: Duration = Duration::from_secs(5);
/// The lines of the log in the report of an ended process.
const TAIL_LINES: usize = 20;

/// How to start a process.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Its name within the stack, such as `order-1`.
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables in addition to those of this process.
    pub env: Vec<(OsString, OsString)>,
    /// The file that its output is appended to.
    pub log: PathBuf,
}

/// A child process. Dropping it kills it.
///
/// It has a process group of its own, so that a Ctrl-C at the terminal does not reach it, and ends with this process if
/// the system supports that (see the `spawn` module).
#[derive(Debug)]
pub struct Process {
    spec: ProcessSpec,
    running: Mutex<Running>,
}

/// One run of a process, from a start to its exit.
#[derive(Debug)]
struct Running {
    identity: Identity,
    started_at: SystemTime,
    exit: watch::Receiver<Option<ExitStatus>>,
    reaped: mpsc::Receiver<()>,
    asked_to_end: Arc<AtomicBool>,
}

impl Process {
    /// Starts the process.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be started. [`Process::check`] detects that it has ended at once.
    pub fn start(spec: ProcessSpec) -> Result<Self> {
        let running = Mutex::new(launch(&spec)?);
        Ok(Self { spec, running })
    }

    /// The name within the stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The current, or last, process.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.running().identity
    }

    /// When the current, or last, process was started.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.running().started_at
    }

    /// How the process ended; `None` while it runs.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.running().exit.borrow()
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Checks that the process still runs.
    ///
    /// # Errors
    /// [`Error::Exited`] with the tail of its log.
    pub fn check(&self) -> Result<()> {
        self.exit_status().map_or(Ok(()), |status| Err(self.exited(status)))
    }

    /// Waits until the process ends by itself. Never returns if it was stopped through this handle. Cancel-safe.
    pub async fn ended_unasked(&self) -> Error {
        loop {
            let (mut exit, asked) = {
                let running = self.running();
                (running.exit.clone(), Arc::clone(&running.asked_to_end))
            };
            let status = wait_for_exit(&mut exit).await;
            if !asked.load(Ordering::SeqCst) {
                return self.exited(status);
            }
            // It was stopped on purpose. It may be restarted, and then the new run counts.
            while self.exit_status().is_some() {
                tokio::time::sleep(crate::wait::POLL).await;
            }
        }
    }

    /// Asks the process to end (SIGTERM), waits up to `grace`, then kills it (SIGKILL).
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be signalled, [`Error::TimedOut`] when even SIGKILL did not end it in 5 s.
    pub async fn terminate(&self, grace: Duration) -> Result<ExitStatus> {
        self.signal_to_end(Signal::SIGTERM)?;
        if let Some(status) = self.wait(grace).await {
            return Ok(status);
        }
        tracing::warn!(process = self.name(), ?grace, "did not end in time and is killed");
        self.kill9().await
    }

    /// Kills the process (SIGKILL), as a power cut would, and waits until it has ended.
    ///
    /// # Errors
    /// As [`Process::terminate`].
    pub async fn kill9(&self) -> Result<ExitStatus> {
        self.signal_to_end(Signal::SIGKILL)?;
        self.wait(KILL_BOUND).await.ok_or_else(|| Error::TimedOut {
            what: format!("{} did not end after SIGKILL", self.spec.name),
            after: KILL_BOUND,
            last: format!("pid {}", self.identity().pid),
        })
    }

    /// Restarts the process with the same arguments. Does nothing while it runs.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_again(&self) -> Result<()> {
        let mut running = self.running();
        if running.exit.borrow().is_some() {
            *running = launch(&self.spec)?;
        }
        Ok(())
    }

    /// Waits up to `bound` for the process to end; `None` if it still runs.
    pub async fn wait(&self, bound: Duration) -> Option<ExitStatus> {
        let mut exit = self.running().exit.clone();
        tokio::time::timeout(bound, wait_for_exit(&mut exit)).await.ok()
    }

    fn signal_to_end(&self, signal: Signal) -> Result<()> {
        let running = self.running();
        running.asked_to_end.store(true, Ordering::SeqCst);
        if running.exit.borrow().is_none() {
            running.identity.signal_group(signal)?;
        }
        Ok(())
    }

    fn exited(&self, status: ExitStatus) -> Error {
        Error::Exited {
            name: self.spec.name.clone(),
            status: describe(status),
            log: self.spec.log.clone(),
            tail: files::tail(&self.spec.log, TAIL_LINES).unwrap_or_else(|error| error.to_string()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        let killed = self.signal_to_end(Signal::SIGKILL);
        // Until it has ended it may write to folders that the caller is about to remove.
        let gone = self.running().reaped.recv_timeout(KILL_BOUND);
        if killed.is_err() || gone.is_err() {
            tracing::warn!(process = self.name(), ?killed, ?gone, "a process may be left behind");
        }
    }
}

/// An exit status in words.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("unknown signal", Signal::as_str);
            format!("killed by {name}")
        }
        (None, None) => status.to_string(),
    }
}

fn launch(spec: &ProcessSpec) -> Result<Running> {
    let child = spawn::spawn(spec)?;
    // The entry of a child exists until it is reaped, even if it has ended already.
    let identity = Identity::of(child.id()).ok_or_else(|| Error::Io {
        what: format!("can't read /proc/{}/stat", child.id()),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let (exit_sender, exit) = watch::channel(None);
    let (reaped_sender, reaped) = mpsc::channel();
    // A thread rather than a task: the process outlives the runtime that started it when tests share it.
    std::thread::Builder::new()
        .name(format!("wait-{}", spec.name))
        .spawn(move || reap(child, &exit_sender, &reaped_sender))
        .context(|| format!("can't watch {}", spec.name))?;
    Ok(Running {
        identity,
        started_at: SystemTime::now(),
        exit,
        reaped,
        asked_to_end: Arc::new(AtomicBool::new(false)),
    })
}

fn reap(mut child: Child, exit: &watch::Sender<Option<ExitStatus>>, reaped: &mpsc::Sender<()>) {
    match child.wait() {
        Ok(status) => {
            exit.send_replace(Some(status));
        }
        Err(error) => tracing::error!(pid = child.id(), %error, "can't wait for a child process"),
    }
    if reaped.send(()).is_err() {
        tracing::trace!(pid = child.id(), "the exit of a process has no receiver");
    }
}

async fn wait_for_exit(exit: &mut watch::Receiver<Option<ExitStatus>>) -> ExitStatus {
    let found = exit.wait_for(Option::is_some).await.map(|status| *status);
    match found {
        Ok(Some(status)) => status,
        // The watching thread has failed and logged it; without a status the caller's bound decides.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
