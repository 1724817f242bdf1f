//! The settings file of each service process.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use toml::Table;

use super::roster::{Instance, Kind};
use super::secrets::{ADMIN_EMAIL, Secrets};
use crate::{Connection, Error, Result};

/// The settings of the process `instance` among `all` processes.
pub(super) fn settings(
    instance: &Instance,
    all: &[Instance],
    connection: &Connection,
    database: &str,
    secrets: &Secrets,
) -> Result<Table> {
    let mut sections = json!({
        "admin": { "listen": format!("127.0.0.1:{}", instance.admin_port) },
        "log": { "format": "json", "filter": "info" },
    });
    let listener = if instance.kind == Kind::Gateway { "http" } else { "server" };
    sections[listener] = json!({ "listen": format!("127.0.0.1:{}", instance.port) });
    if instance.kind.has_database() {
        sections["mongo"] = json!({ "uri": connection.mongo_uri, "database": database });
    }
    if instance.kind.has_broker() {
        sections["kafka"] = json!({ "brokers": connection.broker, "prefix": database });
    }
    if matches!(instance.kind, Kind::User | Kind::Inventory | Kind::Order | Kind::Reconciliation) {
        sections["page_tokens"] = json!({ "key_file": secrets.page_tokens });
    }
    own_sections(&mut sections, instance.kind, all, secrets);
    Table::try_from(sections).map_err(|error| Error::format(Path::new(&instance.name), error))
}

fn own_sections(sections: &mut Value, kind: Kind, all: &[Instance], secrets: &Secrets) {
    let urls = |kind: Kind| -> Vec<String> {
        all.iter().filter(|instance| instance.kind == kind).map(Instance::url).collect()
    };
    match kind {
        Kind::User => {
            sections["tokens"] = json!({ "signing_key_file": secrets.token_signing });
            let password = &secrets.admin_password;
            sections["bootstrap"] = json!({ "admin_email": ADMIN_EMAIL, "admin_password_file": password });
        }
        Kind::Inventory | Kind::Risk => {}
        Kind::Order => {
            sections["upstreams"] = json!({
                "inventory": urls(Kind::Inventory),
                "payment": urls(Kind::Payment),
                "risk": urls(Kind::Risk),
            });
        }
        Kind::Payment => {
            let provider = urls(Kind::CardSandbox).pop();
            sections["card"] = json!({ "provider_url": provider, "api_key_file": secrets.card_api_key });
        }
        Kind::Reconciliation => {
            sections["upstreams"] = json!({
                "order": urls(Kind::Order),
                "inventory": urls(Kind::Inventory),
                "payment": urls(Kind::Payment),
            });
        }
        Kind::CardSandbox => sections["card"] = json!({ "api_key_file": secrets.card_api_key }),
        Kind::Gateway => {
            sections["upstreams"] = json!({
                "user": urls(Kind::User),
                "inventory": urls(Kind::Inventory),
                "order": urls(Kind::Order),
                "payment": urls(Kind::Payment),
                "reconciliation": urls(Kind::Reconciliation),
            });
            // On one machine all clients have one address, and tests and benchmarks use the whole capacity.
            let unlimited = json!({ "requests": 1_000_000, "period_ms": 1_000 });
            sections["limits"] = json!({
                "replicas": urls(Kind::Gateway).len(),
                "rates": {
                    "sessions": unlimited,
                    "orders": unlimited,
                    "browse": unlimited,
                    "default": unlimited,
                },
                "concurrency": { "initial": 512, "min": 512, "payments": { "initial": 512, "min": 512 } },
            });
        }
    }
}

/// Merges the overrides of the service, then those of the process, into its settings.
pub(super) fn merged(mut settings: Table, instance: &Instance, overrides: &BTreeMap<String, Table>) -> Table {
    for key in [instance.kind.name(), &instance.name] {
        if let Some(over) = overrides.get(key) {
            merge(&mut settings, over);
        }
        // The process of a service with one process has the service's name.
        if key == instance.name {
            break;
        }
    }
    settings
}

fn merge(settings: &mut Table, over: &Table) {
    for (key, value) in over {
        match (settings.get_mut(key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            _ => {
                settings.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(kind: Kind, name: &str, port: u16) -> Instance {
        Instance { name: name.into(), kind, number: 1, port, admin_port: port + 100 }
    }

    fn order(number: u16) -> Instance {
        instance(Kind::Order, &format!("order-{number}"), number)
    }

    fn told(instance: &Instance, all: &[Instance]) -> Table {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(dir.path()).unwrap();
        let broker_kind = crate::BrokerKind::Tansu;
        let connection = Connection { mongo_uri: "mongodb://x".into(), broker: "y".into(), broker_kind };
        settings(instance, all, &connection, "db", &secrets).unwrap()
    }

    #[test]
    fn overrides_of_the_process_win_over_those_of_the_service() {
        let base = toml::toml! { log = { filter = "info", format = "json" } };
        let overrides = BTreeMap::from([
            ("order".to_owned(), toml::toml! { log = { filter = "debug" } extra = { a = 1 } }),
            ("order-2".to_owned(), toml::toml! { log = { filter = "trace" } }),
        ]);
        let first = merged(base.clone(), &order(1), &overrides);
        let second = merged(base, &order(2), &overrides);
        assert_eq!(first["log"]["filter"].as_str(), Some("debug"));
        assert_eq!(first["log"]["format"].as_str(), Some("json"));
        assert_eq!(second["log"]["filter"].as_str(), Some("trace"));
        assert_eq!(second["extra"]["a"].as_integer(), Some(1));
    }

    #[test]
    fn the_gateway_knows_every_process() {
        let gateway = instance(Kind::Gateway, "gateway", 5);
        let (first, second) = (instance(Kind::User, "user-1", 7), instance(Kind::User, "user-2", 8));
        let settings = told(&gateway, &[order(1), order(2), first, second, gateway.clone()]);
        let upstreams = |service: &str| settings["upstreams"][service].as_array().unwrap().len();
        assert_eq!((upstreams("order"), upstreams("user"), upstreams("payment")), (2, 2, 0));
        assert_eq!(settings["http"]["listen"].as_str(), Some("127.0.0.1:5"));
        assert!(!settings.contains_key("mongo"));
    }

    #[test]
    fn order_asks_risk_which_has_a_database_and_a_broker() {
        let risk = instance(Kind::Risk, "risk", 9);
        let all = [order(1), risk.clone()];
        assert_eq!(told(&all[0], &all)["upstreams"]["risk"][0].as_str(), Some("http://127.0.0.1:9"));
        let sections: Vec<_> = told(&risk, &all).into_iter().map(|(key, _)| key).collect();
        assert_eq!(sections, ["admin", "kafka", "log", "mongo", "server"]);
    }
}
