//! The source files, parsed, and the rules for a file that the compiler can't check.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use proc_macro2::TokenStream;

/// The longest file, in lines; the aim is half of it.
const MAX_LINES: usize = 800;

/// The longest line, in characters. rustfmt leaves comments and strings alone.
const MAX_WIDTH: usize = 120;

/// A Rust file of the repository.
pub(crate) struct Source {
    /// Relative to the root of the workspace.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) tokens: TokenStream,
    pub(crate) syntax: syn::File,
}

impl Source {
    pub(crate) fn parse(path: PathBuf, text: String) -> anyhow::Result<Self> {
        let parsed = text.parse::<TokenStream>().map_err(syn::Error::from);
        let parsed = parsed.and_then(|tokens| Ok((syn::parse2(tokens.clone())?, tokens)));
        let (syntax, tokens) = parsed.with_context(|| path.display().to_string())?;
        Ok(Self { path, text, tokens, syntax })
    }
}

/// The Rust sources of the repository, sorted by path.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"];
    let output = Command::new("git").args(arguments).current_dir(root).output().context("git ls-files")?;
    anyhow::ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout)?;
    let mut paths: Vec<_> = listed.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect();
    paths.sort();
    paths.dedup();
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        Source::parse(path, text)
    };
    paths.into_iter().map(source).collect()
}

/// The violations in one file.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let (path, text) = (source.path.display(), source.text.as_str());
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!("{path}:1: must open with a `//!` sentence on what it is for"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{path}: has {lines} lines: split it by idea, {MAX_LINES} at most"));
    }
    for (index, line) in text.lines().enumerate() {
        let width = line.chars().count();
        if width > MAX_WIDTH {
            findings.push(format!("{path}:{}: has {width} characters, {MAX_WIDTH} at most", index + 1));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check(&Source::parse("a.rs".into(), text.into()).unwrap())
    }

    #[test]
    fn files_say_what_they_are_for_and_stay_short() {
        assert_eq!(findings("fn main() {}\n").len(), 1);
        assert_eq!(findings(&format!("//! x\n{}", "\n".repeat(799))).len(), 0);
        assert_eq!(findings(&format!("//! x\n{}", "\n".repeat(800))).len(), 1);
    }

    #[test]
    fn a_line_has_at_most_120_characters_however_many_bytes() {
        assert_eq!(findings(&format!("//! {}\n", "ä".repeat(116))).len(), 0);
        assert_eq!(findings(&format!("//! x\n\n//{}\n", "-".repeat(119))), ["a.rs:3: has 121 characters, 120 at most"]);
        assert_eq!(findings(&format!("//! x\nconst A: &str = \"{}\";\n", "b".repeat(120))).len(), 1);
    }
}
