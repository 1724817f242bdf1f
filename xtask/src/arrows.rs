//! Which crate may depend on which.

use crate::packages::Package;

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
    // It proves the books, so it shares no code with what writes them.
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

/// The gateway owns no data and publishes no events.
const NOT_IN_GATEWAY: &[&str] = &["mongodb", "rdkafka"];

/// The dependencies that the tables do not allow.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(|package| check_one(package, packages)).collect()
}

fn check_one(package: &Package, packages: &[Package]) -> Vec<String> {
    if TOOLS.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let rule = LIBRARIES.iter().chain(SERVICES).find(|(name, _)| *name == package.name);
    let Some((_, allowed)) = rule else {
        return vec![format!("{} is missing in xtask/src/arrows.rs: list the crates that it may use", package.name)];
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
        let dependencies = dependencies.iter().map(|&name| name.into()).collect();
        Package { name: name.into(), folder: name.into(), dependencies, roots: Vec::new() }
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
            ("verify", "stock"),
            ("order", "devstack"),
        ] {
            assert_eq!(findings(name, dependency), 1, "{name} -> {dependency}");
        }
    }

    #[test]
    fn the_arrows_of_the_map_and_foreign_crates_are_allowed() {
        for (name, dependency) in
            [("order", "stock"), ("mongo", "mongodb"), ("gateway", "proto"), ("primitives", "uuid")]
        {
            assert_eq!(findings(name, dependency), 0, "{name} -> {dependency}");
        }
    }

    #[test]
    fn a_package_that_no_table_lists_is_found() {
        assert_eq!(check(&[package("newcomer", &[])]).len(), 1);
    }
}
