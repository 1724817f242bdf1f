//! The stack that integration tests share.
//!
//! `nines with-stack` starts one for a whole run and names it in `FOURNINES_TEST_STACK`. Without that variable each
//! test process starts its own, which ends with the process even if that is killed.

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::scratch::Scratch;
use crate::{Backing, BackingOptions, BrokerKind, Connection, Error, Progress, Result};

/// The variable that names the JSON file of a running stack: `{"mongoUri": …, "broker": …, "brokerKind": …}`.
pub const STACK_VARIABLE: &str = "FOURNINES_TEST_STACK";

/// MongoDB's limit for a database name, in bytes.
const DATABASE_NAME_LIMIT: usize = 63;

/// The replica set and broker that the tests of this process share. Tests that kill a process start a [`Backing`] of
/// their own.
#[derive(Debug)]
pub struct SharedBacking {
    connection: Connection,
    /// Kept so that the processes live as long as this one.
    _own: Option<(Backing, Scratch)>,
}

impl SharedBacking {
    /// Its addresses.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection string of the replica set.
    #[must_use]
    pub fn mongo_uri(&self) -> &str {
        &self.connection.mongo_uri
    }

    /// The broker, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn broker(&self) -> &str {
        &self.connection.broker
    }
}

/// The shared backing, started by the first call.
///
/// # Panics
/// When it can't be started: no test can run without it.
#[allow(clippy::panic, reason = "called from tests only, which can't handle an error")]
pub async fn backing() -> &'static SharedBacking {
    static SHARED: OnceCell<SharedBacking> = OnceCell::const_new();
    match SHARED.get_or_try_init(start).await {
        Ok(shared) => shared,
        Err(error) => panic!("the test stack can't be started: {error}"),
    }
}

impl BackingOptions {
    /// For a test that needs a backing of its own: small, with MongoDB's fail points, and with the kind of broker of
    /// the test run, so that `nines with-stack --broker` decides for all tests.
    ///
    /// # Panics
    /// When the run's stack can't be read: tests must not run on another broker than the requested one.
    pub fn for_tests(dir: impl Into<PathBuf>) -> Self {
        Self::for_test_run(dir, broker_kind())
    }
}

/// The kind of broker of this test run: that of its stack, or the default without one.
#[allow(clippy::panic, reason = "called for tests only, which can't handle an error")]
fn broker_kind() -> BrokerKind {
    match running() {
        Ok(connection) => connection.map(|connection| connection.broker_kind).unwrap_or_default(),
        Err(error) => panic!("the test stack can't be read: {error}"),
    }
}

async fn start() -> Result<SharedBacking> {
    if let Some(connection) = running()? {
        return Ok(SharedBacking { connection, _own: None });
    }
    let scratch = Scratch::create()?;
    let backing = Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await?;
    Ok(SharedBacking { connection: backing.connection(), _own: Some((backing, scratch)) })
}

/// The stack that `nines with-stack` has started for this run.
fn running() -> Result<Option<Connection>> {
    std::env::var_os(STACK_VARIABLE).map(|path| read(Path::new(&path))).transpose()
}

fn read(path: &Path) -> Result<Connection> {
    let bytes = std::fs::read(path).map_err(|error| Error::format(path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::format(path, error))
}

/// A unique database name for one test: the test's name, truncated and cleaned, with a random end. At most 63 bytes.
#[must_use]
pub fn database_name(test: &str) -> String {
    let end = format!("_{:016x}", rand::random::<u64>());
    let mut name = String::from("test_");
    let clean = test.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    name.extend(clean.take(DATABASE_NAME_LIMIT - name.len() - end.len()));
    name + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_are_short_plain_and_unique() {
        let long = "orders::place/refuses a quantity that is far too large for äny stock counter there is";
        let (first, second) = (database_name(long), database_name(long));
        assert_ne!(first, second);
        assert_eq!(first.len(), DATABASE_NAME_LIMIT);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(database_name("a").len() < 30);
    }
}
