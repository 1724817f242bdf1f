//! `nines logs`: shows the logs of a stack's processes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use cli::{Signals, StackFolder, terminal};
use devstack::files;
use devstack::stack::StackDir;

/// How often a followed log is polled.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Logs {
    #[command(flatten)]
    folder: StackFolder,
    /// The process, as `nines ps` names it; all processes by default.
    name: Option<String>,
    /// Keep printing new lines.
    #[arg(short, long)]
    follow: bool,
    /// The number of lines of each log to begin with.
    #[arg(short = 'n', long, default_value_t = 100, value_name = "LINES")]
    lines: usize,
}

/// A log that is printed.
struct Log {
    /// The prefix of its lines when there are several logs.
    prefix: String,
    path: PathBuf,
    /// The number of bytes that were read.
    offset: u64,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
}

impl Logs {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let dir = StackDir::find(&self.folder.dir)?;
        let dir = dir.with_context(|| format!("there is no stack in {}", self.folder.dir.display()))?;
        let mut logs = choose(&dir.logs(), self.name.as_deref())?;
        for log in &mut logs {
            log.offset = log.length()?;
            for line in files::tail(&log.path, self.lines)?.lines() {
                terminal::line(format!("{}{line}", log.prefix))?;
            }
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            tokio::select! {
                () = signals.next() => return Ok(ExitCode::SUCCESS),
                () = tokio::time::sleep(POLL) => {}
            }
            logs.iter_mut().try_for_each(Log::forward)?;
        }
    }
}

fn choose(folder: &Path, wanted: Option<&str>) -> anyhow::Result<Vec<Log>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "log"));
    let mut all: Vec<(String, PathBuf)> =
        paths.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect();
    all.sort();
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    if let Some(wanted) = wanted {
        all.retain(|(name, _)| name == wanted);
        if all.is_empty() {
            bail!("there is no log of {wanted}; there are {}", names.join(", "));
        }
    }
    let width = if wanted.is_some() { 0 } else { names.iter().map(String::len).max().unwrap_or(0) };
    let prefix = |name: &str| if width == 0 { String::new() } else { format!("{name:<width$} | ") };
    Ok(all
        .into_iter()
        .map(|(name, path)| Log { prefix: prefix(&name), path, offset: 0, partial: Vec::new() })
        .collect())
}

impl Log {
    fn length(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(&self.path).with_context(|| format!("can't read {}", self.path.display()))?.len())
    }

    /// Prints the lines that were completed since the last poll.
    fn forward(&mut self) -> anyhow::Result<()> {
        let length = self.length()?;
        if length < self.offset {
            // The log was rotated.
            self.offset = 0;
            self.partial.clear();
        }
        if length == self.offset {
            return Ok(());
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.take(length - self.offset).read_to_end(&mut self.partial)?;
        self.offset += u64::try_from(read)?;
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.partial.split_off(end + 1);
        for line in String::from_utf8_lossy(&self.partial).lines() {
            terminal::line(format!("{}{line}", self.prefix))?;
        }
        self.partial = rest;
        Ok(())
    }
}
