//! The identity of a process: its pid together with its start time.
//!
//! The system reuses pids. A pid that was written to a file yesterday may belong to an editor today, so no signal is
//! ever sent to a bare pid.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A process: its pid and its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks after boot.
    pub start_time: u64,
}

/// The fields of `/proc/PID/stat` that are read.
struct Stat {
    state: char,
    start_time: u64,
}

impl Identity {
    /// The process that has this pid now, a zombie included; `None` when there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = read_stat(pid)?;
        Some(Self { pid, start_time: stat.start_time })
    }

    /// This process.
    ///
    /// # Errors
    /// [`Error::Io`] without a `/proc`.
    pub fn current() -> Result<Self> {
        Self::of(std::process::id()).ok_or_else(|| Error::Io {
            what: "can't read /proc/self/stat".into(),
            source: std::io::ErrorKind::NotFound.into(),
        })
    }

    /// Whether this process still runs. A zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.start_time == self.start_time && stat.state != 'Z')
    }

    /// Sends a signal to this process. Returns `false`, and sends nothing, if it has ended, even if its pid was reused.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses, for example for another user's process.
    pub fn signal(&self, signal: Signal) -> Result<bool> {
        self.send(signal, kill)
    }

    /// Sends a signal to the process group that this process leads; else as [`Identity::signal`].
    ///
    /// # Errors
    /// As [`Identity::signal`].
    pub fn signal_group(&self, signal: Signal) -> Result<bool> {
        self.send(signal, killpg)
    }

    fn send(&self, signal: Signal, to: impl Fn(Pid, Signal) -> nix::Result<()>) -> Result<bool> {
        let Ok(pid) = i32::try_from(self.pid) else { return Ok(false) };
        if !self.is_alive() {
            return Ok(false);
        }
        match to(Pid::from_raw(pid), signal) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(errno) => {
                Err(Error::Io { what: format!("can't send {signal} to process {}", self.pid), source: errno.into() })
            }
        }
    }
}

fn read_stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in brackets and may itself hold spaces and brackets.
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Fields count from one; the state was the third, so the 22nd is 18 after the fourth.
    let start_time = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start_time })
}
