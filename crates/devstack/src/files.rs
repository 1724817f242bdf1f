//! Small file helpers: atomic replacement, private files, the tail of a log.

use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Context;
use crate::{Error, Result};

/// The most bytes that are read of the end of a log.
const TAIL_BYTES: u64 = 256 * 1024;

/// Creates a folder and its parents.
///
/// # Errors
/// [`Error::Io`] when it can't be created.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).context(|| format!("can't create {}", path.display()))
}

/// Replaces `path` by `content` atomically: a reader sees the old file or the new one. `mode` is the file's permission
/// bits, such as `0o600`.
///
/// # Errors
/// [`Error::Io`] when the folder can't be written to.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let what = || format!("can't write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).context(what)?;
    file.write_all(content).context(what)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).context(what)?;
    file.as_file().sync_all().context(what)?;
    file.persist(path).map_err(|error| Error::Io { what: what(), source: error.error })?;
    Ok(())
}

/// The last `lines` lines of a text file (of its last 256 KiB); empty when there is no file.
///
/// # Errors
/// [`Error::Io`] when the file exists but can't be read.
pub fn tail(path: &Path, lines: usize) -> Result<String> {
    let what = || format!("can't read {}", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(source) => return Err(Error::Io { what: what(), source }),
    };
    let length = file.metadata().context(what)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).context(what)?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes).context(what)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}

/// Removes a file or a folder with everything in it, if it exists.
///
/// # Errors
/// [`Error::Io`] when something can't be removed.
pub fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.context(|| format!("can't remove {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_gives_the_last_lines_and_nothing_for_a_missing_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(tail(&path, 3).unwrap(), "");
        write_atomically(&path, b"one\ntwo\nthree\n", 0o600).unwrap();
        assert_eq!(tail(&path, 2).unwrap(), "two\nthree");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
