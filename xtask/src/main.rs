//! Checks and measures the repository itself. `cargo xtask tidy` fails when an arrow between crates or modules is not
//! in the tables, when modules form a circle, or when a source file breaks a rule that the compiler can't check.
//! `cargo xtask measure` prints the size and shape of the tree.

mod arrows;
mod measure;
mod modules;
mod packages;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use modules::{Tree, circles, rooms};
use packages::Package;
use sources::Source;

#[allow(clippy::print_stdout, clippy::print_stderr)] // a command for a person at a terminal
fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let (task, root) = (arguments.next(), arguments.next());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let root = root.map_or_else(|| own.to_path_buf(), PathBuf::from);
    let packages = packages::packages(&root)?;
    let sources = sources::read(&root)?;
    match task.as_deref() {
        Some("measure") => print!("{}", measure::report(&packages, &sources)),
        Some("tidy") => {
            let findings = tidy(&packages, &sources);
            findings.iter().for_each(|finding| eprintln!("tidy: {finding}"));
            if !findings.is_empty() {
                eprintln!("tidy: {} findings", findings.len());
                return Ok(ExitCode::FAILURE);
            }
            println!("tidy: {} packages and {} source files in order", packages.len(), sources.len());
        }
        _ => anyhow::bail!("usage: cargo xtask tidy|measure [ROOT OF ANOTHER TREE]"),
    }
    Ok(ExitCode::SUCCESS)
}

/// All violations.
fn tidy(packages: &[Package], sources: &[Source]) -> Vec<String> {
    let by_path: BTreeMap<&Path, &Source> = sources.iter().map(|source| (source.path.as_path(), source)).collect();
    let mut findings = arrows::check(packages);
    findings.extend(sources.iter().flat_map(sources::check));
    for package in packages {
        for root in &package.roots {
            let tree = Tree::read(root, &by_path);
            if package.has_rooms(root) {
                findings.extend(rooms::check(&package.name, &tree));
            }
            findings.extend(circles::check(&package.name, &tree));
        }
    }
    findings
}
