//! What can go wrong with a local stack, worded for the person at the terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the local stack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or process call of the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },

    /// A process ended although it was needed.
    #[error("{name} ended ({status}); the last lines of {log}:\n{tail}")]
    Exited {
        /// The process.
        name: String,
        /// Its exit status, in words.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },

    /// A condition did not come true within its bound.
    #[error("{what} within {after:?}; last seen: {last}")]
    TimedOut {
        /// What did not happen, as a sentence without its end: "no primary was elected".
        what: String,
        /// How long it was waited for.
        after: Duration,
        /// The last observation, to start looking from.
        last: String,
    },

    /// A pinned part could not be downloaded.
    #[error("can't fetch {requirement} with `{with}`: {reason}")]
    Fetch {
        /// What was wanted, such as `NAME==VERSION`.
        requirement: String,
        /// The command of the package manager.
        with: &'static str,
        /// What it said, or why it could not run.
        reason: String,
    },

    /// A program that a part needs is not there, or is too old.
    #[error("{part} needs {needs}: {reason}")]
    Missing {
        /// The part.
        part: &'static str,
        /// What it needs, and how that is installed.
        needs: &'static str,
        /// What was found instead.
        reason: String,
    },

    /// A downloaded file is not the one that was pinned. Nothing of it is used.
    #[error("{what} has sha256 {found}, but {wanted} is pinned; it is not used")]
    HashMismatch {
        /// The file's name.
        what: String,
        /// The pinned hash, in lower-case hex.
        wanted: String,
        /// The hash that was found.
        found: String,
    },

    /// A downloaded archive does not hold what it should.
    #[error("{archive} can't be unpacked: {reason}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A part exists but does not run here.
    #[error("{program} does not run on this machine: {reason}")]
    Unusable {
        /// The program.
        program: PathBuf,
        /// The reason, with what to do about it.
        reason: String,
    },

    /// There is no pinned binary of a part for this processor.
    #[error("no pinned {part} for {arch}: put a `{part}` on PATH")]
    NoBinary {
        /// `mongod` or `tansu`.
        part: &'static str,
        /// The processor, as Rust names it.
        arch: &'static str,
    },

    /// Too few free ports were found.
    #[error("only {found} of {wanted} free ports found between {low} and {high} on 127.0.0.1")]
    NoPorts {
        /// How many were asked for.
        wanted: usize,
        /// How many were free.
        found: usize,
        /// The lowest port tried.
        low: u16,
        /// The first port no longer tried.
        high: u16,
    },

    /// MongoDB refused an administrative command.
    #[error("{what}: {source}")]
    Mongo {
        /// What was being done.
        what: String,
        /// The driver's answer.
        #[source]
        source: Box<mongodb::error::Error>,
    },

    /// A service has not been built.
    #[error("{program} is not built; run `cargo build --workspace` first")]
    NotBuilt {
        /// Where the binary was looked for.
        program: PathBuf,
    },

    /// Another process runs a stack in this folder.
    #[error("another `nines up` runs in {dir}; stop it with `nines down`, or choose another folder with --dir")]
    Locked {
        /// The stack folder.
        dir: PathBuf,
    },

    /// A folder is not a stack folder, so nothing in it is touched.
    #[error("{dir} is not a stack folder: it has no {marker}")]
    NotAStack {
        /// The folder.
        dir: PathBuf,
        /// The file that marks a stack folder.
        marker: &'static str,
    },

    /// A file that this crate wrote can't be read back, or settings can't be written.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A name that no process of the stack has.
    #[error("the stack has no process named {0}")]
    Unknown(String),

    /// A number of processes that a service can't have.
    #[error("{service} can't have {count} processes: user, inventory, payment and gateway have one or more")]
    Replicas {
        /// The service's name, which may be of none.
        service: String,
        /// How many were asked for.
        count: usize,
    },

    /// A text that is not the address of a gRPC server.
    #[error("{0:?} is not an address such as http://127.0.0.1:7003")]
    NotAnAddress(String),

    /// A name that no kind of broker has.
    #[error("there is no broker {0}; there are tansu and kafka")]
    UnknownBroker(String),
}

/// Gives an I/O result its context.
pub(crate) trait Context<T> {
    /// Wraps the error with what was being done.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> Context<T> for mongodb::error::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Mongo { what: what(), source: Box::new(source) })
    }
}

impl Error {
    pub(crate) fn format(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.to_string() }
    }
}
