//! Free loopback ports, outside the ephemeral range: a port of that range could be taken by an outgoing connection
//! between the check and the bind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result, files};

/// The first port that is tried.
const LOW: u16 = 20_000;
/// The end of the tried ports, exclusive; Linux's ephemeral range begins at 32768.
const HIGH: u16 = 32_000;

/// The ports that this process has handed out. They stay reserved until it ends, so that two stacks that start at the
/// same time in one process never get the same port.
static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Picks `count` different free ports on 127.0.0.1. No call returns a port that an earlier call of this process has
/// returned.
///
/// # Errors
/// [`Error::NoPorts`] when the range has too few.
pub fn pick(count: usize) -> Result<Vec<u16>> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let start = rand::random_range(LOW..HIGH);
    let picked: Vec<u16> = (start..HIGH)
        .chain(LOW..start)
        .filter(|port| !handed_out.contains(port) && is_free(*port))
        .take(count)
        .collect();
    if picked.len() < count {
        return Err(Error::NoPorts { wanted: count, found: picked.len(), low: LOW, high: HIGH });
    }
    handed_out.extend(&picked);
    Ok(picked)
}

/// Whether the port can be bound on 127.0.0.1 now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The ports of a stack by name, kept in a file, so that a restarted stack has the same addresses as long as they are
/// still free.
#[derive(Debug)]
pub struct PortBook {
    path: PathBuf,
    ports: BTreeMap<String, u16>,
}

impl PortBook {
    /// Reads the book; without a file it is empty.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] when the file can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let ports = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::format(path, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(Error::Io { what: format!("can't read {}", path.display()), source }),
        };
        Ok(Self { path: path.to_owned(), ports })
    }

    /// Assigns each name its earlier port if that is free, a new one otherwise. Writes the book.
    ///
    /// # Errors
    /// [`Error::NoPorts`]; [`Error::Io`] when the book can't be written.
    pub fn claim<S: AsRef<str>>(&mut self, names: &[S]) -> Result<Vec<u16>> {
        let mut claimed = Vec::with_capacity(names.len());
        for name in names {
            let port = match self.ports.get(name.as_ref()) {
                Some(known) if is_free(*known) => *known,
                _ => pick(1)?[0],
            };
            self.ports.insert(name.as_ref().to_owned(), port);
            claimed.push(port);
        }
        HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner).extend(&claimed);
        let text = serde_json::to_vec_pretty(&self.ports).map_err(|error| Error::format(&self.path, error))?;
        files::write_atomically(&self.path, &text, 0o644)?;
        Ok(claimed)
    }
}
