//! `nines slo generate`: writes a file of rules for each objective.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use cli::terminal;
use serde::Serialize;

use super::promised::Promised;
use super::rules::{self, Settings};
use super::windows::Scale;
use super::yaml;

const FROM: &str = "deploy/slo";
const INTO: &str = "deploy/prometheus/rules";
/// The prefix of generated files, by which the files of removed objectives are recognised.
const PREFIX: &str = "slo-";
const YAML: &str = "yaml";
const RUNBOOK: &str = "runbook_url: ";

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// The folder of the objectives, one YAML file each.
    #[arg(long, value_name = "FOLDER", default_value = FROM)]
    from: PathBuf,
    /// The folder of the rules. Files of removed objectives are removed.
    #[arg(long, value_name = "FOLDER", default_value = INTO)]
    into: PathBuf,
    /// Write nothing, and fail when a file differs from what would be written.
    #[arg(long)]
    check: bool,
    /// The URL of the folder of runbooks, for the `runbook_url` of generated alerts, and of the manually written alerts
    /// in the folder of the rules.
    #[arg(long, value_name = "URL", default_value = "docs/runbooks")]
    runbooks: String,
    /// Shorten all windows for a drill, down to 1/60, where an hour becomes a minute. Requires another --into than the
    /// repository's rules. Prometheus must then scrape and evaluate every second.
    #[arg(long, value_name = "1/N", default_value = "1/1")]
    scale: Scale,
}

/// The changes to files that were made or, with --check, would be made.
#[derive(Debug, Serialize)]
struct Changes {
    objectives: usize,
    into: PathBuf,
    /// By the file's name.
    changed: BTreeMap<String, Change>,
    #[serde(skip)]
    is_check: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    #[serde(rename = "written")]
    Write(String),
    #[serde(rename = "removed")]
    Remove,
}

impl Generate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let shortened = !self.scale.is_whole();
        ensure!(
            !shortened || self.into != Path::new(INTO),
            "shortened rules are for drills: give another folder with --into"
        );
        let changes = self.changes()?;
        if !self.check {
            changes.apply().with_context(|| format!("the rules can't be written to {}", self.into.display()))?;
        }
        terminal::print(&changes, false)?;
        let differs = self.check && !changes.changed.is_empty();
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn changes(&self) -> anyhow::Result<Changes> {
        let objectives = read(&self.from)?;
        let existing = if self.into.exists() { texts(&self.into, YAML) } else { Ok(BTreeMap::new()) };
        let existing = existing.with_context(|| format!("the rules in {} can't be read", self.into.display()))?;
        let settings = Settings { scale: self.scale, runbooks: self.runbooks.trim_end_matches('/').to_owned() };

        let mut wanted = BTreeMap::new();
        for slo in &objectives {
            let group = rules::group(slo, &settings).with_context(|| format!("in {}", slo.name))?;
            let text = yaml::file(&comment(slo, self.scale), &group);
            let before = wanted.insert(format!("{PREFIX}{}.yaml", slo.name), text);
            ensure!(before.is_none(), "two objectives are called {}", slo.name);
        }
        for (name, text) in &existing {
            if !name.starts_with(PREFIX) {
                wanted.insert(name.clone(), with_runbooks(text, &settings.runbooks));
            }
        }
        let gone = existing.keys().filter(|name| !wanted.contains_key(*name));
        let mut changed: BTreeMap<_, _> = gone.map(|name| (name.clone(), Change::Remove)).collect();
        changed.extend(
            wanted
                .into_iter()
                .filter(|(name, text)| existing.get(name) != Some(text))
                .map(|(name, text)| (name, Change::Write(text))),
        );
        Ok(Changes { objectives: objectives.len(), into: self.into.clone(), changed, is_check: self.check })
    }
}

/// All objectives of a folder.
///
/// # Errors
/// When the folder can't be read, has no objectives, or has a file that is not one.
pub(super) fn read(folder: &Path) -> anyhow::Result<Vec<Promised>> {
    let texts = texts(folder, YAML).with_context(|| format!("{} can't be read", folder.display()))?;
    ensure!(!texts.is_empty(), "there are no objectives in {}", folder.display());
    let parse = |(name, text): (String, String)| {
        let slo = Promised::parse(&text).with_context(|| folder.join(&name).display().to_string())?;
        let expected = format!("{}.yaml", slo.name);
        ensure!(name == expected, "{}: the file must be called {expected}", folder.join(&name).display());
        Ok(slo)
    };
    texts.into_iter().map(parse).collect()
}

/// The contents of the files with that extension in a folder, by name.
fn texts(folder: &Path, extension: &str) -> std::io::Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let fits = path.extension().is_some_and(|found| found == extension);
        if let (true, Some(name)) = (fits, path.file_name().and_then(|name| name.to_str())) {
            texts.insert(name.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(texts)
}

fn comment(slo: &Promised, scale: Scale) -> String {
    let name = &slo.name;
    let mut comment = format!(
        "{}. Generated by `nines slo generate` from {FROM}/{name}.yaml: change that, and generate it again.",
        slo.title
    );
    if !scale.is_whole() {
        comment.push_str("\nShortened for a drill: names have the original windows, not the shortened ones.");
    }
    comment
}

/// A manually written file, with the URLs of its runbooks updated.
fn with_runbooks(text: &str, base: &str) -> String {
    let line = |line: &str| match line.split_once(RUNBOOK) {
        Some((before, url)) if before.trim().is_empty() => {
            let page = url.trim().rsplit('/').next().unwrap_or_default();
            format!("{before}{RUNBOOK}{base}/{page}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

impl Changes {
    fn apply(&self) -> std::io::Result<()> {
        fs::create_dir_all(&self.into)?;
        for (name, change) in &self.changed {
            let path = self.into.join(name);
            match change {
                Change::Write(text) => fs::write(path, text)?,
                Change::Remove => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, change) in &self.changed {
            let path = self.into.join(name);
            let done = match (change, self.is_check) {
                (Change::Write(_), false) => "written",
                (Change::Remove, false) => "removed",
                (Change::Write(_), true) => "differs from the objectives: run `nines slo generate`",
                (Change::Remove, true) => "belongs to no objective: run `nines slo generate`",
            };
            writeln!(f, "{}: {done}", path.display())?;
        }
        write!(f, "objectives: {}, files that differ: {}", self.objectives, self.changed.len())
    }
}

#[cfg(test)]
mod tests;
