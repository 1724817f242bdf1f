//! The processes of the platform, and their ports.

use std::collections::BTreeMap;

use crate::ports::PortBook;
use crate::{Error, Result};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Inventory,
    Order,
    Payment,
    CardSandbox,
    Risk,
    Reconciliation,
    Gateway,
}

impl Kind {
    /// Those that may have several processes, besides order. Consumers of events have one, since the embedded broker
    /// can lose a group whose members change; the sandbox has one, since it keeps its charges in memory.
    pub(super) const REPLICATED: [Self; 4] = [Self::User, Self::Inventory, Self::Payment, Self::Gateway];
    /// Those that have one process.
    const SINGLE: [Self; 3] = [Self::CardSandbox, Self::Reconciliation, Self::Risk];

    /// The service's name; its binary is `fournines-NAME`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::CardSandbox => "card-sandbox",
            Self::Risk => "risk",
            Self::Reconciliation => "reconciliation",
            Self::Gateway => "gateway",
        }
    }

    /// Whether it publishes or consumes events.
    pub(super) fn has_broker(self) -> bool {
        matches!(self, Self::Inventory | Self::Order | Self::Payment | Self::Risk | Self::Reconciliation)
    }

    /// Whether it keeps data.
    pub(super) fn has_database(self) -> bool {
        !matches!(self, Self::CardSandbox | Self::Gateway)
    }
}

/// One process of a service.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// The service's name; `user-1`, `user-2` … if there are several, and always for order.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The number among its service's processes, from 1.
    pub(super) number: usize,
    /// The port of its main listener: gRPC, or HTTP for the gateway and the card sandbox.
    pub(super) port: u16,
    pub(super) admin_port: u16,
}

impl Instance {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    /// Whether this process runs its service's migrations.
    pub(super) fn migrates(&self) -> bool {
        self.kind.has_database() && self.number == 1
    }
}

/// Every process with its ports.
///
/// # Errors
/// [`Error::Replicas`] when `replicas` has a service that can't have several processes, or none of a service; those of
/// [`PortBook::claim`].
pub(super) fn assign(
    order_replicas: usize,
    replicas: &BTreeMap<String, usize>,
    book: &mut PortBook,
) -> Result<Vec<Instance>> {
    let mut counts = counts(replicas)?;
    counts.push((Kind::Order, order_replicas.max(1)));
    let processes: Vec<_> = counts
        .into_iter()
        .flat_map(|(kind, count)| (1..=count).map(move |number| (kind, number, name(kind, number, count))))
        .collect();

    let names: Vec<String> = processes.iter().flat_map(|(.., name)| [name.clone(), format!("{name} admin")]).collect();
    let ports = book.claim(&names)?;
    let instances = processes.into_iter().zip(ports.chunks_exact(2));
    Ok(instances
        .map(|((kind, number, name), pair)| Instance { name, kind, number, port: pair[0], admin_port: pair[1] })
        .collect())
}

fn counts(replicas: &BTreeMap<String, usize>) -> Result<Vec<(Kind, usize)>> {
    for (service, &count) in replicas {
        if count == 0 || !Kind::REPLICATED.iter().any(|kind| kind.name() == service) {
            return Err(Error::Replicas { service: service.clone(), count });
        }
    }
    let several = Kind::REPLICATED.map(|kind| (kind, replicas.get(kind.name()).copied().unwrap_or(1)));
    Ok(several.into_iter().chain(Kind::SINGLE.map(|kind| (kind, 1))).collect())
}

fn name(kind: Kind, number: usize, count: usize) -> String {
    let service = kind.name();
    if count > 1 || kind == Kind::Order { format!("{service}-{number}") } else { service.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(order_replicas: usize, replicas: &[(&str, usize)]) -> Result<Vec<Instance>> {
        let dir = tempfile::tempdir().unwrap();
        let mut book = PortBook::open(&dir.path().join("ports.json")).unwrap();
        let replicas = replicas.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        assign(order_replicas, &replicas, &mut book)
    }

    fn names(instances: &[Instance]) -> Vec<&str> {
        instances.iter().map(|instance| instance.name.as_str()).collect()
    }

    #[test]
    fn one_process_has_its_services_name_and_several_have_numbers() {
        let all = roster(1, &[("user", 2), ("gateway", 1)]).unwrap();
        let expected = [
            "user-1",
            "user-2",
            "inventory",
            "payment",
            "gateway",
            "card-sandbox",
            "reconciliation",
            "risk",
            "order-1",
        ];
        assert_eq!(names(&all), expected);
        let ports: std::collections::BTreeSet<_> =
            all.iter().flat_map(|instance| [instance.port, instance.admin_port]).collect();
        assert_eq!(ports.len(), 2 * all.len());
    }

    #[test]
    fn the_first_process_of_a_service_migrates() {
        let all = roster(2, &[("user", 3), ("payment", 2), ("gateway", 2)]).unwrap();
        let migrating: Vec<_> = all.into_iter().filter(Instance::migrates).collect();
        let expected = ["user-1", "inventory", "payment-1", "reconciliation", "risk", "order-1"];
        assert_eq!(names(&migrating), expected);
    }

    #[test]
    fn only_some_services_may_have_several_processes() {
        for (service, count) in [("risk", 2), ("order", 2), ("nobody", 1), ("user", 0)] {
            let refused = roster(1, &[(service, count)]);
            assert!(matches!(refused, Err(Error::Replicas { .. })), "{service}={count}");
        }
    }
}
