//! SHA-256 of files, and its comparison with the pinned one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Context;
use crate::{Error, Result};

/// Compares a file with its pinned hash, in lower-case hex.
pub(super) async fn verify(file: &Path, wanted: &str) -> Result<()> {
    let path = file.to_owned();
    let hashed = tokio::task::spawn_blocking(move || of_file(path)).await;
    let found = hashed.map_err(std::io::Error::other).context(|| format!("can't hash {}", file.display()))??;
    if found == wanted {
        return Ok(());
    }
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    Err(Error::HashMismatch { what: name, wanted: wanted.to_owned(), found })
}

/// The hash of a text, in lower-case hex.
pub(super) fn of_text(text: &str) -> String {
    hex(Sha256::new_with_prefix(text))
}

fn of_file(path: PathBuf) -> Result<String> {
    let what = || format!("can't read {}", path.display());
    let mut file = File::open(&path).context(what)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).context(what)? {
            0 => return Ok(hex(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_with_another_hash_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("some.whl");
        std::fs::write(&file, b"abc").unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_text("abc"), hash);
        verify(&file, hash).await.unwrap();
        let error = verify(&file, &"0".repeat(64)).await.unwrap_err();
        assert!(matches!(&error, Error::HashMismatch { found, .. } if found == hash), "{error}");
    }
}
