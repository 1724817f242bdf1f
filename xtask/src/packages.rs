//! The packages of the workspace, as cargo describes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the root of the workspace.
    pub(crate) folder: PathBuf,
    /// The packages that it depends on at run time.
    pub(crate) dependencies: Vec<String>,
    /// The root files of its library and binaries, relative to the root of the workspace.
    pub(crate) roots: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<MetadataDependency>,
    targets: Vec<MetadataTarget>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    /// `dev`, `build` or nothing.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Package {
    /// Whether this root file is the library of a service, whose modules the tables of rooms are about.
    pub(crate) fn has_rooms(&self, root: &Path) -> bool {
        self.folder.starts_with("services") && root.ends_with("src/lib.rs")
    }
}

/// The packages of the workspace, sorted by folder.
pub(crate) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output().context("cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let relative = |path: &Path| path.strip_prefix(&metadata.workspace_root).map(Path::to_path_buf);
    let mut packages = Vec::new();
    for package in &metadata.packages {
        let roots =
            package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "lib" || kind == "bin"));
        let dependencies = package.dependencies.iter().filter(|dependency| dependency.kind.is_none());
        packages.push(Package {
            name: package.name.clone(),
            folder: relative(package.manifest_path.parent().context("a manifest lies in a folder")?)?,
            dependencies: dependencies.map(|dependency| dependency.name.clone()).collect(),
            roots: roots.map(|target| relative(&target.src_path)).collect::<Result<_, _>>()?,
        });
    }
    packages.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(packages)
}
