//! Who may depend on whom.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

/// What each library may use of our own crates.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("primitives", &[]),
    ("envelope", &["primitives"]),
    ("idempotency", &["envelope", "primitives"]),
    ("proto", &["primitives"]),
    ("resilience", &["envelope"]),
    ("service", &["resilience", "envelope", "primitives"]),
    ("balancer", &["resilience", "service", "envelope", "primitives"]),
    ("mongo", &["service", "idempotency", "envelope", "primitives"]),
    ("messaging", &["mongo", "proto", "service", "envelope", "primitives"]),
    ("stock", &["messaging", "mongo", "proto", "service", "envelope", "primitives"]),
    ("devstack", &["primitives"]),
    ("verify", &[]),
    ("cli", &["devstack", "service"]),
    ("nines", &["cli", "verify", "devstack", "messaging", "proto", "service", "envelope", "primitives"]),
    ("bench", &["cli", "verify", "devstack", "proto", "service", "envelope", "primitives"]),
];

/// What each service may use of our own crates.
const SERVICES: &[(&str, &[&str])] = &[
    ("gateway", &["primitives", "envelope", "proto", "resilience", "service", "balancer"]),
    (
        "order",
        &[
            "primitives",
            "envelope",
            "idempotency",
            "proto",
            "resilience",
            "service",
            "balancer",
            "mongo",
            "messaging",
            "stock",
        ],
    ),
    ("inventory", &["primitives", "envelope", "idempotency", "proto", "service", "mongo", "messaging", "stock"]),
    ("user", &["primitives", "envelope", "proto", "service", "mongo"]),
    ("payment", &["primitives", "envelope", "idempotency", "proto", "service", "mongo", "messaging"]),
    ("risk", &["primitives", "envelope", "proto", "service", "mongo", "messaging"]),
    ("reconciliation", &["primitives", "envelope", "proto", "resilience", "service", "balancer", "mongo", "messaging"]),
];

/// Packages that only test or check; nothing depends on them.
const TOOLS: &[&str] = &["end-to-end", "xtask"];

/// What stands between the public and the services needs neither of them.
const NOT_IN_GATEWAY: &[&str] = &["mongodb", "rdkafka"];

/// A package of the workspace and its dependencies at run time.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    /// `dev`, `build` or nothing.
    kind: Option<String>,
}

/// The packages of the workspace.
pub(crate) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output().context("cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let package = |package: MetadataPackage| Package {
        name: package.name,
        dependencies: package.dependencies.into_iter().filter(|d| d.kind.is_none()).map(|d| d.name).collect(),
    };
    Ok(metadata.packages.into_iter().map(package).collect())
}

/// The arrows that should not be there.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(|package| check_one(package, packages)).collect()
}

fn check_one(package: &Package, packages: &[Package]) -> Vec<String> {
    if TOOLS.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let rule = LIBRARIES.iter().chain(SERVICES).find(|(name, _)| *name == package.name);
    let Some((_, allowed)) = rule else {
        return vec![format!("{} has no place in xtask/src/arrows.rs: say what it may use", package.name)];
    };
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let forbidden = |name: &str| {
        (ours(name) && !allowed.contains(&name)) || (package.name == "gateway" && NOT_IN_GATEWAY.contains(&name))
    };
    let bad = package.dependencies.iter().filter(|name| forbidden(name));
    bad.map(|name| format!("{} must not depend on {name}", package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package { name: name.into(), dependencies: dependencies.iter().map(|&name| name.into()).collect() }
    }

    fn findings(name: &str, dependency: &str) -> usize {
        let names = LIBRARIES.iter().chain(SERVICES).map(|(name, _)| *name).filter(|other| *other != name);
        let mut packages: Vec<_> = names.map(|name| package(name, &[])).collect();
        packages.push(package(name, &[dependency]));
        check(&packages).len()
    }

    #[test]
    fn forbidden_arrows_are_found() {
        for (name, dependency) in [
            ("order", "payment"),
            ("user", "inventory"),
            ("gateway", "mongo"),
            ("gateway", "mongodb"),
            ("gateway", "stock"),
            ("payment", "stock"),
            ("mongo", "order"),
            ("primitives", "service"),
            ("nines", "gateway"),
            ("nines", "bench"),
            ("verify", "order"),
            ("order", "devstack"),
        ] {
            assert_eq!(findings(name, dependency), 1, "{name} -> {dependency}");
        }
    }

    #[test]
    fn the_arrows_of_the_map_and_foreign_crates_are_let_through() {
        for (name, dependency) in
            [("order", "stock"), ("mongo", "mongodb"), ("gateway", "proto"), ("primitives", "uuid")]
        {
            assert_eq!(findings(name, dependency), 0, "{name} -> {dependency}");
        }
    }

    #[test]
    fn a_package_without_a_place_is_found() {
        assert_eq!(check(&[package("newcomer", &[])]).len(), 1);
    }
}
