//! Which module of a service may use which, and which of them may name crates of the wire and the database.

use super::{Target, Tree};

/// What a module of a service may use of the same service; the longest name that fits a module counts.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
}

const fn room(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room { name, may_use }
}

/// What has its name in every service that has it. `lib.rs` and `main.rs` may use everything, and nothing uses them.
const SHARED: &[Room] = &[
    room("domain", &[]),
    room("error", &["domain"]),
    room("config", &["domain"]),
    room("events", &["domain"]),
    room("store", &["domain", "error", "events"]),
    room("upstreams", &["domain", "error", "config"]),
    room("lanes", &["domain", "store", "error", "config"]),
    room("app", &["domain", "store", "upstreams", "lanes", "error", "config"]),
    room("grpc", &["app", "domain", "error"]),
    // The books as of a cut are read without a use case.
    room("grpc::audit", &["app", "domain", "error", "store"]),
    room("consumer", &["app", "domain", "store", "events", "error"]),
];

/// What a service has besides, or instead.
const OWN: &[(&str, &[Room])] = &[
    (
        "user",
        &[
            room("passwords", &["domain", "error", "config"]),
            room("tokens", &["domain", "error", "config"]),
            room("throttle", &["domain", "error", "config", "store"]),
            room("audit", &["domain", "error", "config", "store"]),
            room("app", &["domain", "store", "error", "config", "passwords", "tokens", "throttle", "audit"]),
        ],
    ),
    // The sandbox is a card provider for tests, with a binary of its own.
    ("payment", &[room("sandbox", &[])]),
];

/// The gateway translates between REST and gRPC; it has no domain and no store.
const GATEWAY: &[Room] = &[
    room("bounds", &[]),
    room("endpoint", &[]),
    room("entity_tag", &[]),
    room("json_frame", &[]),
    room("refusal", &[]),
    room("strict", &[]),
    room("schema", &["bounds"]),
    room("openapi", &["endpoint", "schema"]),
    room("config", &["endpoint"]),
    room("limits", &["config", "endpoint"]),
    room("placement", &["config"]),
    room("upstreams", &["config"]),
    room("auth", &["config", "refusal", "strict", "upstreams"]),
    room("exchange", &["endpoint", "limits"]),
    room("security_headers", &["exchange"]),
    room("reply", &["entity_tag", "exchange", "json_frame", "refusal", "security_headers"]),
    room("catalogue", &["config", "entity_tag", "exchange", "json_frame", "refusal", "reply"]),
    room("state", &["auth", "catalogue", "config", "limits", "placement", "security_headers", "upstreams"]),
    room("input", &["bounds", "catalogue", "entity_tag", "exchange", "refusal", "state", "strict", "upstreams"]),
    room("dto", &["bounds", "entity_tag", "input", "schema", "strict"]),
    room(
        "middleware",
        &["auth", "config", "endpoint", "exchange", "input", "limits", "refusal", "reply", "security_headers", "state"],
    ),
    room(
        "routes",
        &[
            "auth",
            "bounds",
            "catalogue",
            "dto",
            "endpoint",
            "exchange",
            "input",
            "openapi",
            "refusal",
            "reply",
            "schema",
            "state",
            "upstreams",
        ],
    ),
    room(
        "front",
        &[
            "auth",
            "catalogue",
            "endpoint",
            "exchange",
            "json_frame",
            "limits",
            "middleware",
            "refusal",
            "reply",
            "routes",
            "security_headers",
            "state",
        ],
    ),
    room("app", &["front", "middleware", "routes", "state"]),
    room("server", &["app", "config", "limits", "state"]),
];

/// The crates that a room must not name, in tests neither.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("domain", &["mongo", "mongodb", "messaging", "proto", "tonic", "prost", "rdkafka"]),
    ("app", &["tonic", "prost", "proto", "mongodb", "rdkafka"]),
];

/// The arrows of a service that its table does not allow.
pub(crate) fn check(service: &str, tree: &Tree) -> Vec<String> {
    let (rooms, gateway) = (rooms(service), service == GATEWAY_NAME);
    let unlisted = tree.top_level().into_iter().filter(|name| !rooms.iter().any(|room| room.name == *name));
    let mut findings: Vec<_> = unlisted
        .map(|name| format!("{service}::{name} is missing in xtask/src/modules/rooms.rs: list what it may use"))
        .collect();
    for of in tree.uses() {
        let Some(from) = of.from.first() else { continue };
        let at = format!("{}:{}", of.file.display(), of.line);
        match &of.to {
            Target::Foreign(name) => {
                let outside = OUTSIDE.iter().find(|(room, _)| room == from && !gateway);
                if outside.is_some_and(|(_, names)| names.contains(&name.as_str())) {
                    findings.push(format!("{at}: {service}: {from} -> {name}: {from}/ must not name the crate {name}"));
                }
            }
            Target::Own { module, path } if !of.test => {
                let fitting = rooms.iter().filter(|room| of.from.starts_with(&segments(room.name)));
                let Some(room) = fitting.max_by_key(|room| room.name.len()) else { continue };
                let to = module.first().map_or("lib.rs", String::as_str);
                if to != from && !room.may_use.contains(&to) {
                    let rule = match room.may_use {
                        [] => "nothing of this service".to_owned(),
                        parts => format!("only {}", parts.join(", ")),
                    };
                    let path = path.join("::");
                    findings.push(format!("{at}: {service}: {from} -> {to} (crate::{path}): {from} may use {rule}"));
                }
            }
            Target::Own { .. } => {}
        }
    }
    findings.dedup();
    findings
}

const GATEWAY_NAME: &str = "gateway";

/// The table of a service.
fn rooms(service: &str) -> Vec<&'static Room> {
    if service == GATEWAY_NAME {
        return GATEWAY.iter().collect();
    }
    let own = OWN.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, rooms)| rooms);
    let shared = SHARED.iter().filter(|room| !own.iter().any(|instead| instead.name == room.name));
    own.iter().chain(shared).collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    const ROOT: &str = "mod app; mod config; mod domain; mod error; mod events; mod grpc; mod store; mod upstreams; \
        mod lanes; pub use domain::Order; pub struct Wiring;";

    /// The findings in a crate of which one module has this text.
    fn findings(service: &str, module: &str, text: &str) -> Vec<String> {
        let mut files = vec![("lib.rs".to_owned(), ROOT.to_owned())];
        for name in ["app", "config", "domain", "error", "events", "grpc", "store", "upstreams", "lanes"] {
            let audit = if name == "grpc" { "mod audit;" } else { "" };
            files.push((format!("{name}/mod.rs"), format!("mod inner; {audit}")));
            files.push((format!("{name}/inner.rs"), if name == module { text.to_owned() } else { String::new() }));
        }
        files.push(("grpc/audit.rs".into(), if module == "grpc::audit" { text.to_owned() } else { String::new() }));
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(service, &tree(&files))
    }

    fn of_module(module: &str, text: &str) -> Vec<String> {
        findings("order", module, text)
    }

    #[test]
    fn an_arrow_up_is_found_and_named() {
        let found = of_module("domain", "\nuse crate::{\n    store::Store,\n};");
        let rule = "domain may use nothing of this service";
        assert_eq!(found, [format!("src/domain/inner.rs:3: order: domain -> store (crate::store::Store): {rule}")]);
        for (module, text) in [
            ("domain", "use crate::error::OrderError;"),
            ("error", "fn f() { crate::store::f(); }"),
            ("config", "use super::super::app::App;"),
            ("events", "use crate::store::Store;"),
            ("store", "use crate::{domain::Order, lanes::Lanes};"),
            ("store", "use crate::config::Config;"),
            ("upstreams", "use crate::store::Store;"),
            ("lanes", "use crate::app::App;"),
            ("app", "use crate::grpc::Grpc;"),
            ("app", "use crate::events::placed;"),
            ("grpc", "use crate::store::Store;"),
            ("grpc", "use crate::upstreams::Payments;"),
            ("grpc::audit", "use crate::config::Config;"),
            ("app", "use crate::Wiring;"),
            ("store", "fn f() { vec![crate::app::X]; }"),
        ] {
            assert_eq!(of_module(module, text).len(), 1, "{module}: {text}");
        }
    }

    #[test]
    fn the_arrows_of_the_table_are_allowed() {
        for (module, text) in [
            ("error", "use crate::domain::Order;"),
            ("store", "use crate::{domain, error::E, events};"),
            ("lanes", "use crate::store::Store;"),
            ("app", "use crate::{lanes::Lanes, upstreams::Payments, config::Config};"),
            ("grpc::audit", "use crate::store::Store;"),
            ("grpc", "use crate::Order;"),
            ("domain", "use super::Other; #[cfg(test)] mod tests { use crate::store::X; }"),
        ] {
            assert_eq!(of_module(module, text), [""; 0], "{module}: {text}");
        }
    }

    #[test]
    fn the_inside_knows_neither_wire_nor_database() {
        for name in ["mongo", "mongodb", "messaging", "proto", "tonic", "prost", "rdkafka"] {
            let text = format!("use {name}::X;");
            let found = of_module("domain", &text);
            let rule = format!("domain/ must not name the crate {name}");
            assert_eq!(found, [format!("src/domain/inner.rs:1: order: domain -> {name}: {rule}")]);
            let of_app = usize::from(!["mongo", "messaging"].contains(&name));
            assert_eq!(of_module("app", &text).len(), of_app, "app: {text}");
            assert_eq!(of_module("store", &text).len(), 0, "store: {text}");
            assert_eq!(findings("gateway", "app", &text).iter().filter(|finding| finding.contains(&rule)).count(), 0);
        }
        for text in [
            "use mongodb;",
            "use ::mongodb::Client;",
            "use mongodb as database;",
            "fn f(x: mongodb::bson::Document) {}",
            "fn f() { let x = mongodb::bson::doc! {}; }",
            "fn f() { assert!(x == mongodb::X); }",
            "#[derive(prost::Message)] struct X;",
            "#[cfg(test)] mod tests { use tonic::Status; }",
        ] {
            assert_eq!(of_module("domain", text).len(), 1, "{text}");
        }
        for text in ["// tonic::Status", "use crate::domain::proto_like;", "fn f() { let tonic = 1; tonic.x(); }"] {
            assert_eq!(of_module("domain", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn services_have_rooms_of_their_own() {
        let found = check("user", &tree(&[("lib.rs", "mod app; mod tokens;"), ("app.rs", "use crate::tokens::T;")]));
        assert_eq!(found, [""; 0]);
        let found = check("user", &tree(&[("lib.rs", "mod app; mod tokens;"), ("tokens.rs", "use crate::app::A;")]));
        assert_eq!(found.len(), 1);
        let files = [("lib.rs", "mod dto; mod reply;"), ("dto.rs", ""), ("reply.rs", "use crate::dto::X;")];
        assert_eq!(check("gateway", &tree(&files)).len(), 1);
    }

    #[test]
    fn a_module_that_no_table_lists_is_found() {
        assert_eq!(check("order", &tree(&[("lib.rs", "mod helpers;"), ("helpers.rs", "")])).len(), 1);
    }

    /// So that no table allows a circle.
    #[test]
    fn no_table_lets_a_room_reach_itself() {
        for service in ["order", "user", "payment", "gateway"] {
            let rooms = rooms(service);
            let mut done: Vec<&str> = Vec::new();
            while done.len() < rooms.len() {
                let free = |room: &&&Room| {
                    let below = |part: &&str| done.contains(part);
                    !done.contains(&room.name) && room.may_use.iter().all(below)
                };
                let next = rooms.iter().find(free).map(|room| room.name);
                done.push(next.unwrap_or_else(|| panic!("a circle in the table of {service} beyond {done:?}")));
            }
        }
    }
}
