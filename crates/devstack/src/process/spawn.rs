//! Starts children so that they can't outlive this process.
//!
//! If util-linux's `setpriv` is installed (as on Debian, Ubuntu and Fedora), the kernel sends SIGKILL to the child when
//! this process ends in any way, a SIGKILL included. Otherwise dropping [`super::Process`] and the signal handling of
//! `nines` stop the children, and only a SIGKILL of this process leaves them behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use super::ProcessSpec;
use crate::Result;
use crate::error::Context;

/// A log of more bytes is rotated to `NAME.log.1` at the next start.
const LOG_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// Starts `spec` in a process group of its own, with its output appended to its log.
pub(super) fn spawn(spec: &ProcessSpec) -> Result<Child> {
    let log = open_log(&spec.log)?;
    let second = log.try_clone().context(|| format!("can't write {}", spec.log.display()))?;
    let mut command = command(spec);
    command.envs(spec.env.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
    on_lasting_thread(command).context(|| format!("can't start {} ({})", spec.name, spec.program.display()))
}

fn command(spec: &ProcessSpec) -> Command {
    let mut command = if has_setpriv() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&spec.program);
        command
    } else {
        Command::new(&spec.program)
    };
    command.args(&spec.args);
    command
}

fn has_setpriv() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    // The setpriv of BusyBox lacks this option, so the option is tried out.
    *FOUND.get_or_init(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

type Request = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts the command on a thread that lives as long as this process: the kernel ties the death signal to the thread
/// that has started the child, and a runtime's threads may end earlier (each `#[tokio::test]` has its own).
fn on_lasting_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);
    let (answer, answered) = mpsc::channel();
    {
        let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*spawner {
            Some(sender) => sender.clone(),
            None => spawner.insert(start_spawner()?).clone(),
        };
        sender.send((command, answer)).map_err(io::Error::other)?;
    }
    answered.recv().map_err(io::Error::other)?
}

fn start_spawner() -> io::Result<mpsc::Sender<Request>> {
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::Builder::new().name("devstack-spawner".into()).spawn(move || {
        for (mut command, answer) in requests {
            if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                // The caller has gone; a child without an owner must not run.
                let ended = child.kill().and_then(|()| child.wait());
                tracing::warn!(?ended, "a process whose owner has gone was stopped");
            }
        }
    })?;
    Ok(sender)
}

fn open_log(path: &Path) -> Result<File> {
    let what = || format!("can't write {}", path.display());
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT_BYTES) {
        std::fs::rename(path, path.with_extension("log.1")).context(what)?;
    }
    OpenOptions::new().create(true).append(true).open(path).context(what)
}
