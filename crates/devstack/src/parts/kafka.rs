//! Apache Kafka: its jars, fetched by Maven and pinned one by one, and the Java that runs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{cache, hash, version};
use crate::error::Context;
use crate::{Error, Progress, Result, files};

/// The POM that Maven resolves. Compiled in, so that `nines` needs no checkout.
const POM: &str = include_str!("../../../../deploy/kafka/pom.xml");
/// The SHA-256 of every jar, as `sha256sum` prints it.
const PINS: &str = include_str!("../../../../deploy/kafka/jars.sha256");
/// The lowest Java that this Kafka runs on.
const LEAST_JAVA: u32 = 17;
/// The packages to install.
const NEEDS: &str = "Java 17 or newer and, to be fetched once, Maven \
                     (Debian and Ubuntu: `apt-get install openjdk-17-jre-headless maven`)";
/// The Maven goal; its version is in the POM. By its short name Maven would search it in more places.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies";
/// The command as failures name it.
const MAVEN: &str = "mvn dependency:copy-dependencies";
/// How long the download may take: 43 MB of jars, and Maven's own plugins.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(600);
/// The most lines of Maven's errors that are reported.
const MAVEN_LINES: usize = 5;

/// Apache Kafka, ready to be run.
#[derive(Debug, Clone)]
pub struct Kafka {
    java: PathBuf,
    jars: PathBuf,
}

impl Kafka {
    /// The Java that it runs on: a path, or a name on PATH.
    #[must_use]
    pub fn java(&self) -> &Path {
        &self.java
    }

    /// Java's class path: every jar.
    #[must_use]
    pub fn class_path(&self) -> OsString {
        self.jars.join("*").into()
    }
}

/// Finds Java, and the jars in the cache; Maven fetches them if they are missing. Each is verified when it is fetched.
/// Concurrent calls, also of other processes, are safe.
///
/// # Errors
/// [`Error::Missing`] without Java 17 or, for a fetch, Maven; [`Error::Fetch`] when Maven fails or fetches other
/// jars than the pinned ones; [`Error::HashMismatch`].
pub async fn find_or_fetch_kafka(progress: &Progress) -> Result<Kafka> {
    let java = find_java().await?;
    let folder = format!("kafka-{}", &hash::of_text(PINS)[..16]);
    let jars = cache::cache_dir()?.join("parts").join(folder);
    if !is_complete(&jars) {
        progress.step("fetching Apache Kafka", fetch(&jars)).await?;
    }
    Ok(Kafka { java, jars })
}

async fn find_java() -> Result<PathBuf> {
    // As Maven does: JAVA_HOME, then PATH.
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let java = home.map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"));
    // A Java older than 9 does not know `--version`, which identifies it too.
    let said = version(&java).await.map_err(|error| missing(error.to_string()))?;
    match java_major(&said) {
        Some(major) if major >= LEAST_JAVA => Ok(java),
        _ => Err(missing(format!("{} is {}", java.display(), said.lines().next().unwrap_or("no Java")))),
    }
}

/// The second word's first number, as in `openjdk 17.0.15 2025-04-15` or `java 22-ea 2024-03-19`.
fn java_major(text: &str) -> Option<u32> {
    text.split_whitespace().nth(1)?.split(['.', '-', '+']).next()?.parse().ok()
}

fn missing(reason: String) -> Error {
    Error::Missing { part: "Apache Kafka", needs: NEEDS, reason }
}

fn failed(reason: String) -> Error {
    Error::Fetch { requirement: "Apache Kafka".into(), with: MAVEN, reason }
}

/// Each jar's hash and name.
fn pins() -> impl Iterator<Item = (&'static str, &'static str)> {
    PINS.lines().filter_map(|line| line.split_once("  "))
}

fn is_complete(jars: &Path) -> bool {
    pins().all(|(_, name)| jars.join(name).is_file())
}

async fn fetch(target: &Path) -> Result<()> {
    let temp = cache::temp_dir()?;
    files::write_atomically(&temp.path().join("pom.xml"), POM.as_bytes(), 0o644)?;
    run_maven(temp.path()).await?;
    let jars = temp.path().join("jars");
    check(&jars).await?;
    files::create_dir(target.parent().unwrap_or(target))?;
    match std::fs::rename(&jars, target) {
        // Another process was faster.
        Err(_) if is_complete(target) => Ok(()),
        // The cache was removed in part.
        Err(_) if target.is_dir() => {
            files::remove(target)?;
            std::fs::rename(&jars, target)
        }
        result => result,
    }
    .context(|| format!("can't place {}", target.display()))
}

/// Lets Maven copy the jars to `folder/jars`. Its local repository is in the same temporary folder, since the default
/// one is not safe for concurrent writes.
async fn run_maven(folder: &Path) -> Result<()> {
    let mut repository = OsString::from("-Dmaven.repo.local=");
    repository.push(folder.join("repository"));
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "--no-transfer-progress", "--strict-checksums"]);
    maven.args(["-Dstyle.color=never", GOAL]).arg(repository);
    maven.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DOWNLOAD_BOUND, maven.output())
        .await
        .map_err(|_elapsed| failed(format!("no end after {DOWNLOAD_BOUND:?}")))?
        .map_err(|error| missing(format!("mvn can't be run ({error})")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(explain(&String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr))))
}

/// Maven prints its errors to standard output, up to an empty one and its advice; its start script prints to standard
/// error.
fn explain(printed: &str, beside: &str) -> String {
    // The first may follow an escape sequence, whatever the style.
    let errors = printed.lines().filter_map(|line| Some(line.split_once("[ERROR] ")?.1.trim()));
    let errors: Vec<&str> = errors.take_while(|line| !line.is_empty()).take(MAVEN_LINES).collect();
    if errors.is_empty() { beside.trim().to_owned() } else { errors.join("\n") }
}

/// Checks that the folder has the pinned jars and nothing else, since every file in it would be run.
async fn check(jars: &Path) -> Result<()> {
    let what = || format!("can't read {}", jars.display());
    for entry in std::fs::read_dir(jars).context(what)? {
        let name = entry.context(what)?.file_name();
        if !pins().any(|(_, pinned)| name == pinned) {
            return Err(failed(format!("it fetched {}, which is not pinned", name.display())));
        }
    }
    for (wanted, name) in pins() {
        let jar = jars.join(name);
        if !jar.is_file() {
            return Err(failed(format!("it did not fetch {name}")));
        }
        hash::verify(&jar, wanted).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_java_is_read() {
        assert_eq!(java_major("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_major("java 22-ea 2024-03-19"), Some(22));
        assert_eq!(java_major("openjdk 21 2023-09-19"), Some(21));
        assert_eq!(java_major(""), None);
    }

    #[test]
    fn every_line_of_the_pins_is_a_jar() {
        assert_eq!(pins().count(), PINS.lines().count());
        assert!(pins().all(|(hash, name)| hash.len() == 64 && name.ends_with(".jar")));
        assert!(pins().any(|(_, name)| name.starts_with("kafka_2.13-")));
    }

    #[tokio::test]
    async fn jars_that_are_not_pinned_or_missing_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = check(dir.path()).await.unwrap_err().to_string();
        assert!(error.contains("did not fetch"), "{error}");
        let (_, first) = pins().next().unwrap();
        pins().for_each(|(_, name)| std::fs::write(dir.path().join(name), "not a jar").unwrap());
        assert!(is_complete(dir.path()));
        let error = check(dir.path()).await.unwrap_err();
        assert!(matches!(&error, Error::HashMismatch { what, .. } if what == first), "{error}");
        std::fs::write(dir.path().join("other.jar"), "a guest").unwrap();
        let error = check(dir.path()).await.unwrap_err().to_string();
        assert!(error.contains("other.jar, which is not pinned"), "{error}");
    }

    #[test]
    fn mavens_complaint_is_cut_to_what_it_says() {
        let printed = "\u{1b}[0m[ERROR] no network\n[ERROR] at all\n[ERROR] \n[ERROR] Re-run with -X\n\u{1b}[0m";
        assert_eq!(explain(printed, "a warning"), "no network\nat all");
        assert_eq!(explain("", " JAVA_HOME is not defined correctly \n"), "JAVA_HOME is not defined correctly");
    }
}
