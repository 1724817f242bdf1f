//! Checks of the repository itself. `cargo xtask tidy` fails when a dependency arrow appears that ARCHITECTURE.md does
//! not have, or a source file breaks a rule that the compiler can't see.

mod arrows;
mod sources;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

#[allow(clippy::print_stdout, clippy::print_stderr)] // a command for a person at a terminal
fn main() -> anyhow::Result<ExitCode> {
    let task = std::env::args().nth(1);
    anyhow::ensure!(task.as_deref() == Some("tidy"), "usage: cargo xtask tidy");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let packages = arrows::packages(root)?;
    let mut findings = arrows::check(&packages);
    let files = sources::files(root)?;
    findings.extend(files.iter().flat_map(|(path, text)| sources::check(path, text)));
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} packages and {} source files in order", packages.len(), files.len());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
