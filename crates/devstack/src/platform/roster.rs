//! Which processes the platform has, and their ports.

use crate::Result;
use crate::ports::PortBook;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Inventory,
    Order,
    Payment,
    CardSandbox,
    Reconciliation,
    Gateway,
}

impl Kind {
    /// The service's name; its binary is `fournines-NAME`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::CardSandbox => "card-sandbox",
            Self::Reconciliation => "reconciliation",
            Self::Gateway => "gateway",
        }
    }

    /// Whether it publishes or consumes events.
    pub(super) fn has_broker(self) -> bool {
        matches!(self, Self::Inventory | Self::Order | Self::Payment | Self::Reconciliation)
    }

    /// Whether it keeps data.
    pub(super) fn has_database(self) -> bool {
        !matches!(self, Self::CardSandbox | Self::Gateway)
    }
}

/// One process of a service.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// The service's name, or `order-1`, `order-2` … where there may be several.
    pub(super) name: String,
    pub(super) kind: Kind,
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

    /// Whether this process is the one that runs its service's migrations.
    pub(super) fn migrates(&self) -> bool {
        self.kind.has_database() && (self.kind != Kind::Order || self.name == order_name(1))
    }
}

fn order_name(number: usize) -> String {
    format!("{}-{number}", Kind::Order.name())
}

/// Every process with its ports.
pub(super) fn assign(order_replicas: usize, book: &mut PortBook) -> Result<Vec<Instance>> {
    let single = |kind: Kind| (kind, kind.name().to_owned());
    let singles =
        [Kind::User, Kind::Inventory, Kind::Payment, Kind::CardSandbox, Kind::Reconciliation, Kind::Gateway];
    let mut processes: Vec<_> = singles.map(single).to_vec();
    processes.extend((1..=order_replicas.max(1)).map(|number| (Kind::Order, order_name(number))));

    let names: Vec<String> =
        processes.iter().flat_map(|(_, name)| [name.clone(), format!("{name} admin")]).collect();
    let ports = book.claim(&names)?;
    let instances = processes.into_iter().zip(ports.chunks_exact(2));
    Ok(instances
        .map(|((kind, name), pair)| Instance { name, kind, port: pair[0], admin_port: pair[1] })
        .collect())
}
