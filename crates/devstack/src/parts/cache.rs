//! The cache of fetched parts.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::error::Context;
use crate::{Error, Result, files};

/// `$FOURNINES_CACHE`, else `$XDG_CACHE_HOME/fournines`, else `~/.cache/fournines`.
///
/// # Errors
/// [`Error::Io`] when none of the three is set.
pub fn cache_dir() -> Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("FOURNINES_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("fournines")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/fournines")))
        .ok_or_else(|| Error::Io {
            what: "no cache folder: set FOURNINES_CACHE".into(),
            source: std::io::ErrorKind::NotFound.into(),
        })
}

/// A temporary folder on the cache's file system, so that a finished file can be renamed into place.
pub(super) fn temp_dir() -> Result<TempDir> {
    let cache = cache_dir()?;
    files::create_dir(&cache)?;
    tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(&cache)
        .context(|| format!("can't create a folder in {}", cache.display()))
}
