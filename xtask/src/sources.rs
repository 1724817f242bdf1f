//! Rules for source files that the compiler can't see.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// The longest file, in lines; the aim is half of it.
const MAX_LINES: usize = 800;

/// What `domain/` and `app/` know nothing of: the wire and the database.
const OUTSIDE: &[&str] = &["tonic", "prost", "proto", "mongodb", "rdkafka"];

/// The Rust sources of the repository, by path relative to its root.
pub(crate) fn files(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"];
    let output = Command::new("git").args(arguments).current_dir(root).output().context("git ls-files")?;
    anyhow::ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout)?;
    let present = listed.lines().map(PathBuf::from).filter(|path| root.join(path).is_file());
    present
        .map(|path| {
            let text = std::fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
            Ok((path, text))
        })
        .collect()
}

/// What is wrong with a file.
pub(crate) fn check(path: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let path = path.display().to_string();
    if !text.starts_with("//!") {
        findings.push(format!("{path} must open with a `//!` sentence on what it is for"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{path} has {lines} lines: split it by idea, {MAX_LINES} at most"));
    }
    let inside = path.starts_with("services/") && (path.contains("/src/domain/") || path.contains("/src/app/"));
    if inside {
        let used = OUTSIDE.iter().filter(|name| text.lines().any(|line| uses(line, name)));
        findings.extend(used.map(|name| format!("{path} must not use {name}")));
    }
    findings
}

/// Whether a line of code names a crate: `tonic::…` or `use tonic;`, but not `foo_tonic::…` or a comment.
fn uses(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let starts = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
        starts && (after.starts_with("::") || (code.trim_start().starts_with("use ") && after.starts_with([';', ' '])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(Path::new(path), text).len()
    }

    #[test]
    fn the_inside_knows_neither_wire_nor_database() {
        let domain = "services/order/src/domain/order.rs";
        for line in ["use tonic::Status;", "let x = mongodb::bson::doc! {};", "use prost;", "use proto::order::v1;"] {
            assert_eq!(findings(domain, &format!("//! x\n{line}\n")), 1, "{line}");
            assert_eq!(findings("services/order/src/grpc.rs", &format!("//! x\n{line}\n")), 0);
        }
        for line in ["// tonic::Status", "use crate::proto_like::x;", "let my_tonic = 1;", "mongo::Error::from(x)"] {
            assert_eq!(findings(domain, &format!("//! x\n{line}\n")), 0, "{line}");
        }
    }

    #[test]
    fn files_say_what_they_are_for_and_stay_short() {
        assert_eq!(findings("a.rs", "fn main() {}\n"), 1);
        assert_eq!(findings("a.rs", &format!("//! x\n{}", "\n".repeat(800))), 1);
    }
}
