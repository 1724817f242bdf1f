//! The folder of a stack: its lock, its data, and the file from which other processes read what runs in it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::Context;
use crate::process::Identity;
use crate::{Error, Result, files};

/// The file that makes a folder a stack folder; only such a folder is ever wiped.
const MARKER: &str = ".fournines-stack";
/// All entries that a stack creates in its folder, the marker last.
const OWN_ENTRIES: [&str; 7] = ["stack.json", "ports.json", "config", "data", "logs", "secrets", MARKER];

/// The running stack of a folder: `stack.json`, and the output of `nines up --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackState {
    /// The process that runs the stack.
    pub supervisor: Identity,
    /// Whether everything is ready; false while it starts.
    pub ready: bool,
    /// The REST API; that of the first gateway if there are several.
    pub gateway_url: String,
    /// The REST API at each gateway.
    #[serde(default)] // a file from before there were several
    pub gateway_urls: Vec<String>,
    /// The connection string of the replica set.
    pub mongo_uri: String,
    /// The database that the services use.
    pub database: String,
    /// The Kafka broker, as `127.0.0.1:PORT`.
    pub broker: String,
    /// The admin address of each service process.
    pub admin_urls: BTreeMap<String, String>,
    /// Every process, in the order they were started.
    pub services: Vec<ServiceState>,
    /// The folder of the secrets.
    pub secrets: BTreeMap<String, PathBuf>,
    /// The accounts that can log in on this stack; only if the demo data was loaded.
    pub demo: Option<DemoState>,
}

/// One process of a stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Its name, such as `mongod-0` or `order-1`.
    pub name: String,
    /// Which process it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// When it was started, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Its main port on 127.0.0.1.
    pub port: u16,
    /// Its admin address; MongoDB and the broker have none.
    pub admin_url: Option<String>,
    /// Its log file.
    pub log: PathBuf,
}

/// The demo accounts. Their passwords are for a local stack only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoState {
    /// The customer's address.
    pub customer_email: String,
    /// The customer's password, the same on every local stack.
    pub customer_password: String,
    /// The admin's address.
    pub admin_email: String,
    /// The file with the admin's password.
    pub admin_password_file: PathBuf,
    /// A product that is in the catalogue.
    pub sku: String,
}

/// A stack folder.
#[derive(Debug, Clone)]
pub struct StackDir {
    path: PathBuf,
}

/// The lock of the process that runs a stack in a folder; released when dropped, and by a crash.
#[derive(Debug)]
pub struct StackLock {
    _file: Flock<File>,
}

impl StackDir {
    /// A folder to run a stack in; created, and marked as a stack folder, when new.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::NotAStack`] when it exists, is not empty, and was never a stack folder.
    pub fn create(path: &Path) -> Result<Self> {
        files::create_dir(path)?;
        let dir = Self::at(path)?;
        let mut entries = std::fs::read_dir(&dir.path).context(|| format!("can't read {}", dir.path.display()))?;
        if !dir.is_stack() && entries.next().is_some() {
            return Err(Error::NotAStack { dir: dir.path, marker: MARKER });
        }
        files::write_atomically(
            &dir.path.join(MARKER),
            b"A local Fournines stack; `nines down --wipe` removes it.\n",
            0o644,
        )?;
        files::create_dir(&dir.logs())?;
        Ok(dir)
    }

    /// An existing folder; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::NotAStack`] when the folder is something else.
    pub fn find(path: &Path) -> Result<Option<Self>> {
        if !path.is_dir() {
            return Ok(None);
        }
        let dir = Self::at(path)?;
        if dir.is_stack() { Ok(Some(dir)) } else { Err(Error::NotAStack { dir: dir.path, marker: MARKER }) }
    }

    fn at(path: &Path) -> Result<Self> {
        let path = path.canonicalize().context(|| format!("can't open {}", path.display()))?;
        Ok(Self { path })
    }

    /// The folder's full path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the logs, one `NAME.log` a process.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Locks the folder for this process.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process holds the lock.
    pub fn lock(&self) -> Result<StackLock> {
        let path = self.path.join("lock");
        let what = || format!("can't lock {}", path.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).context(what)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(StackLock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(Error::Locked { dir: self.path.clone() }),
            Err((_, errno)) => Err(Error::Io { what: what(), source: errno.into() }),
        }
    }

    /// The stack that runs, or has crashed; `None` after a clean stop.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`].
    pub fn state(&self) -> Result<Option<StackState>> {
        let path = self.state_path();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::format(&path, error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { what: format!("can't read {}", path.display()), source }),
        }
    }

    /// Records the running stack.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_state(&self, state: &StackState) -> Result<()> {
        let path = self.state_path();
        let text = serde_json::to_vec_pretty(state).map_err(|error| Error::format(&path, error))?;
        files::write_atomically(&path, &text, 0o600)
    }

    /// Records that no stack runs.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear_state(&self) -> Result<()> {
        files::remove(&self.state_path())
    }

    /// Removes all entries of a stack, and the folder itself if nothing else is in it. Returns the names of other
    /// entries, which are kept.
    ///
    /// # Errors
    /// [`Error::Io`] when something can't be removed.
    pub fn wipe(self, lock: StackLock) -> Result<Vec<String>> {
        for entry in OWN_ENTRIES {
            files::remove(&self.path.join(entry))?;
        }
        files::remove(&self.path.join("lock"))?;
        drop(lock);
        let entries = std::fs::read_dir(&self.path).context(|| format!("can't read {}", self.path.display()))?;
        let left: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        if left.is_empty() {
            files::remove(&self.path)?;
        }
        Ok(left)
    }

    fn is_stack(&self) -> bool {
        self.path.join(MARKER).is_file()
    }

    fn state_path(&self) -> PathBuf {
        self.path.join("stack.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_runs_one_stack_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StackDir::create(&temp.path().join("stack")).unwrap();
        let lock = dir.lock().unwrap();
        assert!(matches!(dir.lock(), Err(Error::Locked { .. })));
        drop(lock);
        assert!(dir.lock().is_ok());
    }

    #[test]
    fn a_folder_with_other_things_is_neither_used_nor_wiped() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(StackDir::create(temp.path()), Err(Error::NotAStack { .. })));
        assert!(matches!(StackDir::find(temp.path()), Err(Error::NotAStack { .. })));
    }

    #[test]
    fn wiping_leaves_what_the_stack_did_not_put_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("stack");
        let dir = StackDir::create(&path).unwrap();
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let lock = dir.lock().unwrap();
        assert_eq!(dir.wipe(lock).unwrap(), ["notes.txt"]);
        assert!(path.join("notes.txt").is_file() && !path.join("logs").exists());
    }
}
