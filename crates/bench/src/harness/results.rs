//! Results: a JSON file that is rewritten after each cell, so that an interrupted run keeps its results, and the lines
//! of a table.

use std::path::{Path, PathBuf};

use cli::terminal;
use devstack::files;
use serde::Serialize;

use super::round::{Measured, Ratio};

/// A JSON file with a list of results.
#[derive(Debug)]
pub(crate) struct Results<T> {
    path: PathBuf,
    list: Vec<T>,
}

impl<T: Serialize> Results<T> {
    /// Begins an empty list.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn begin(path: &Path) -> anyhow::Result<Self> {
        let results = Self { path: path.to_owned(), list: Vec::new() };
        results.write()?;
        Ok(results)
    }

    /// Adds a result and writes the file.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn add(&mut self, result: T) -> anyhow::Result<()> {
        self.list.push(result);
        self.write()
    }

    /// The results so far.
    pub(crate) fn list(&self) -> &[T] {
        &self.list
    }

    fn write(&self) -> anyhow::Result<()> {
        write(&self.path, &serde_json::to_vec_pretty(&self.list)?)
    }
}

/// Writes a file and creates the folders above it.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::create_dir(folder)?;
    }
    Ok(files::write_atomically(path, content, 0o644)?)
}

/// Prints the header of the table; `cell` has the names of the columns that describe a cell.
///
/// # Errors
/// When stdout can't be written to.
pub(crate) fn header(cell: &str) -> anyhow::Result<()> {
    let header = format!(
        "{cell:<34}{:<7}{:>10}{:>10}{:>10}{:>10}{:>12}  ratio (smallest to largest)",
        "side", "orders/s", "p50 ms", "p99 ms", "retries", "CPU s/1000"
    );
    Ok(terminal::line(header)?)
}

/// Prints one side of a cell; the second side has the ratio beside it.
///
/// # Errors
/// When stdout can't be written to.
pub(crate) fn line(cell: &str, side: &str, measured: &Measured, ratio: &Ratio) -> anyhow::Result<()> {
    let Measured { orders_per_second, p50_ms, p99_ms, retries, cpu_seconds_per_1000, .. } = measured;
    let mut line = format!(
        "{cell:<34}{side:<7}{orders_per_second:>10.1}{p50_ms:>10.1}{p99_ms:>10.1}{retries:>10.0}\
         {cpu_seconds_per_1000:>12.2}"
    );
    if let (Some(ratio), Some([smallest, largest])) = (ratio.ratio, ratio.ratio_spread) {
        line.push_str(&format!("  {ratio:.2} ({smallest:.2} to {largest:.2})"));
    }
    Ok(terminal::line(line)?)
}
