//! Starts Apache Kafka: one node that is broker and controller, with its data in the stack's folder.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::parts::Kafka;
use crate::process::{Process, ProcessSpec};
use crate::{BackingOptions, Error, Result, files};

/// The settings that all stacks share.
const SETTINGS: &str = include_str!("../../../../../deploy/kafka/server.properties");
/// The logging configuration.
const LOGGING: &str = include_str!("../../../../../deploy/kafka/log4j2.xml");
/// The cluster id of every stack. Kafka needs one, 16 bytes in Base64; nothing reads it.
const CLUSTER_ID: &str = "fournines-local-stackA";
/// How long formatting the data folder may take: Java starts, writes two files and ends.
const FORMAT_BOUND: Duration = Duration::from_secs(30);

/// A small heap, and a virtual machine that starts fast and uses little CPU time: for the load of one developer.
const JAVA_OPTIONS: [&str; 8] = [
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    // Writes nothing outside the stack's folder; a crash is reported in the log.
    "-XX:-UsePerfData",
    "-XX:-CreateCoredumpOnCrash",
    "-XX:+ErrorFileToStdout",
];

/// The paths in the stack's folder.
struct Layout {
    data: PathBuf,
    /// Java unpacks native libraries here; a killed process leaves them behind.
    temp: PathBuf,
    settings: PathBuf,
    logging: PathBuf,
    log: PathBuf,
}

impl Layout {
    fn below(dir: &Path) -> Self {
        Self {
            data: dir.join("data/kafka"),
            temp: dir.join("data/kafka-temp"),
            settings: dir.join("config/broker.properties"),
            logging: dir.join("config/broker-log4j2.xml"),
            log: dir.join("logs/broker.log"),
        }
    }
}

/// Writes the settings and formats a new data folder. Returns the broker's process.
pub(super) async fn prepare(
    kafka: &Kafka,
    port: u16,
    controller_port: u16,
    options: &BackingOptions,
) -> Result<ProcessSpec> {
    let layout = Layout::below(&options.dir);
    files::create_dir(&options.dir.join("config"))?;
    files::remove(&layout.temp)?;
    files::create_dir(&layout.temp)?;
    let settings = settings(port, controller_port, &layout.data)?;
    files::write_atomically(&layout.settings, settings.as_bytes(), 0o644)?;
    files::write_atomically(&layout.logging, LOGGING.as_bytes(), 0o644)?;
    // Formatting writes this file last, so a folder without it is not formatted yet.
    if !layout.data.join("meta.properties").is_file() {
        format(kafka, &layout).await?;
    }
    let settings = layout.settings.clone().into();
    Ok(java(kafka, &layout, "broker", "kafka.Kafka", vec![settings]))
}

fn settings(port: u16, controller_port: u16, data: &Path) -> Result<String> {
    let data = property(data)?;
    let mut text = SETTINGS.to_owned();
    let own = [
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        // Set here rather than in the data, so that both ports may change at the next start.
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller_port}")),
        ("log.dirs", data),
    ];
    text.push_str("\n# Of this stack.\n");
    text.extend(own.map(|(name, value)| format!("{name}={value}\n")));
    Ok(text)
}

/// A path as a value of a properties file, which is read as Latin-1 and separates folders by commas.
fn property(path: &Path) -> Result<String> {
    let refused = |why| Error::format(path, format!("Kafka can't keep data here: {why}"));
    let text = path.to_str().ok_or_else(|| refused("the path is not UTF-8"))?;
    if text.contains(',') {
        return Err(refused("the path has a comma"));
    }
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_graphic() && byte != b'\\' => escaped.push(char::from(byte)),
            _ => write!(escaped, "\\u{unit:04x}").map_err(|error| Error::format(path, error))?,
        }
    }
    Ok(escaped)
}

async fn format(kafka: &Kafka, layout: &Layout) -> Result<()> {
    let mut args: Vec<OsString> = ["format", "--cluster-id", CLUSTER_ID, "--ignore-formatted"].map(Into::into).into();
    args.extend(["--config".into(), layout.settings.clone().into()]);
    let spec = java(kafka, layout, "broker format", "kafka.tools.StorageTool", args);
    let process = Process::start(spec)?;
    match process.wait(FORMAT_BOUND).await {
        Some(status) if status.success() => Ok(()),
        Some(_failed) => process.check(),
        None => {
            let what = format!("{} did not end", process.name());
            Err(Error::TimedOut { what, after: FORMAT_BOUND, last: "still running".into() })
        }
    }
}

fn java(kafka: &Kafka, layout: &Layout, name: &str, main: &str, args: Vec<OsString>) -> ProcessSpec {
    let property = |name: &str, path: &Path| {
        let mut property = OsString::from(format!("-D{name}="));
        property.push(path);
        property
    };
    let mut all: Vec<OsString> = JAVA_OPTIONS.map(Into::into).into();
    all.push(property("java.io.tmpdir", &layout.temp));
    all.push(property("log4j2.configurationFile", &layout.logging));
    all.extend(["-cp".into(), kafka.class_path(), main.into()]);
    all.extend(args);
    ProcessSpec {
        name: name.into(),
        program: kafka.java().to_owned(),
        args: all,
        env: Vec::new(),
        log: layout.log.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_properties_file() {
        assert_eq!(property(Path::new("/tmp/a-b_c.d")).unwrap(), "/tmp/a-b_c.d");
        assert_eq!(property(Path::new("/t mp/ä\\😀")).unwrap(), "/t\\u0020mp/\\u00e4\\u005c\\ud83d\\ude00");
        assert!(property(Path::new("/a,b")).is_err());
    }

    #[test]
    fn the_settings_name_ports_and_data_once() {
        let text = settings(20_001, 20_002, Path::new("/stack/data/kafka")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let keys: std::collections::BTreeSet<&str> = lines.iter().map(|line| line.split_once('=').unwrap().0).collect();
        assert_eq!(keys.len(), lines.len(), "a setting is duplicated");
        assert!(lines.contains(&"log.dirs=/stack/data/kafka"));
        assert!(lines.contains(&"controller.quorum.voters=1@127.0.0.1:20002"));
        assert!(lines.contains(&"auto.create.topics.enable=false"));
    }
}
