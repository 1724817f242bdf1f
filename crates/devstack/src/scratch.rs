//! Temporary stack folders that are cleaned up even after their owner was killed.
//!
//! A folder's name contains the process that owns it, so that a later run can tell an orphan from a folder in use.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Context;
use crate::process::Identity;
use crate::{Result, files};

const PREFIX: &str = "fournines-stack";

/// A temporary folder, removed when dropped, or by the next [`Scratch::create`] when its owner was killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates a folder below the system's temporary folder and removes those whose owners are gone.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when it can't be created. An orphan that can't be removed is only logged, since it does no
    /// harm.
    pub fn create() -> Result<Self> {
        let temp = std::env::temp_dir();
        sweep(&temp);
        let owner = Identity::current()?;
        let name = format!("{}-{}-{}-{:08x}", own_prefix()?, owner.pid, owner.start_time, rand::random::<u32>());
        let path = temp.join(name);
        files::create_dir(&path)?;
        Ok(Self { path })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = files::remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary stack folder is left behind");
        }
    }
}

/// Process ids are unique only within one PID namespace, and containers may share a temporary folder.
fn own_prefix() -> Result<String> {
    let namespace = std::fs::metadata("/proc/self/ns/pid").context(|| "can't read /proc/self/ns/pid".into())?;
    Ok(format!("{PREFIX}-{}", namespace.ino()))
}

fn sweep(temp: &Path) {
    let (Ok(prefix), Ok(entries)) = (own_prefix(), std::fs::read_dir(temp)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let orphan = name.to_str().and_then(|name| owner_of(name, &prefix)).is_some_and(|owner| !owner.is_alive());
        if !orphan {
            continue;
        }
        if let Err(error) = files::remove(&entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "an orphaned stack folder can't be removed");
        }
    }
}

fn owner_of(name: &str, prefix: &str) -> Option<Identity> {
    let mut parts = name.strip_prefix(prefix)?.strip_prefix('-')?.split('-');
    Some(Identity { pid: parts.next()?.parse().ok()?, start_time: parts.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_owners_are_orphans() {
        let temp = tempfile::tempdir().unwrap();
        let own = Identity::current().unwrap();
        let prefix = own_prefix().unwrap();
        let alive = temp.path().join(format!("{prefix}-{}-{}-00000000", own.pid, own.start_time));
        let orphan = temp.path().join(format!("{prefix}-{}-{}-00000000", own.pid, own.start_time + 1));
        let foreign = temp.path().join("fournines-stack-notes");
        for path in [&alive, &orphan, &foreign] {
            std::fs::create_dir(path).unwrap();
        }
        sweep(temp.path());
        assert!(alive.exists() && foreign.exists());
        assert!(!orphan.exists());
    }
}
