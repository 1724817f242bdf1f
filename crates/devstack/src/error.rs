//! The errors of a local stack, worded for the person at the terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the local stack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or process call of the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation.
        what: String,
        /// The system's error.
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
        /// The bound.
        after: Duration,
        /// The last observation, where to start the diagnosis.
        last: String,
    },

    /// A pinned part could not be downloaded.
    #[error("can't fetch {requirement} with `{with}`: {reason}")]
    Fetch {
        /// What was wanted, such as `NAME==VERSION`.
        requirement: String,
        /// The command of the package manager.
        with: &'static str,
        /// Its output, or why it could not run.
        reason: String,
    },

    /// A program that a part needs is missing or too old.
    #[error("{part} needs {needs}: {reason}")]
    Missing {
        /// The part.
        part: &'static str,
        /// The required program, and how to install it.
        needs: &'static str,
        /// The program that was found instead.
        reason: String,
    },

    /// A downloaded file is not the pinned one. It is not used.
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
        /// The requested number.
        wanted: usize,
        /// The number of free ports.
        found: usize,
        /// The lowest port tried.
        low: u16,
        /// The end of the tried ports, exclusive.
        high: u16,
    },

    /// MongoDB refused an administrative command.
    #[error("{what}: {source}")]
    Mongo {
        /// The operation.
        what: String,
        /// The driver's error.
        #[source]
        source: Box<mongodb::error::Error>,
    },

    /// A service has not been built.
    #[error("{program} is not built; run `cargo build --workspace` first")]
    NotBuilt {
        /// The expected path of the binary.
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

    /// A file of this crate can't be parsed, or settings can't be written.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// No process of the stack has this name.
    #[error("the stack has no process named {0}")]
    Unknown(String),

    /// A service can't have this number of processes.
    #[error("{service} can't have {count} processes: user, inventory, payment and gateway have one or more")]
    Replicas {
        /// The name, which may be that of no service.
        service: String,
        /// The requested number.
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
    /// Wraps the error with the operation.
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
