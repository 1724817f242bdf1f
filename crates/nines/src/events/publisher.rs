//! The services that publish events, and their addresses.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use devstack::stack::StackState;
use serde::Serialize;

/// A service that publishes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Events of orders, and of their stock movements.
    Order,
    /// Events of other stock movements.
    Inventory,
    /// Events of payments and accounts.
    Payment,
}

/// A service and its gRPC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// The service.
    pub service: Service,
    /// Its gRPC address, such as `http://127.0.0.1:7003`.
    pub address: String,
}

/// The value of `--service`: `order`, or `order=http://10.0.0.7:7003`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    service: Service,
    address: Option<String>,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::Order, Self::Inventory, Self::Payment];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Inventory => "inventory",
            Self::Payment => "payment",
        }
    }

    /// The address of a replica on the local stack, a live one if there is any. All replicas share the outbox.
    fn address_on(self, stack: &StackState) -> anyhow::Result<String> {
        let is_replica =
            |name: &str| name.strip_prefix(self.name()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let replicas = || stack.services.iter().filter(|process| is_replica(&process.name));
        let found = replicas().find(|process| process.identity.is_alive()).or_else(|| replicas().next());
        let process = found.with_context(|| format!("the stack has no {self} service"))?;
        Ok(format!("http://127.0.0.1:{}", process.port))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').map_or((text, None), |(name, address)| (name, Some(address)));
        let service = Service::ALL.into_iter().find(|service| service.name() == name);
        let service = service.ok_or("must be order, inventory or payment, or one of them with =URL")?;
        let is_url = |address: &str| address.starts_with("http://") || address.starts_with("https://");
        if address.is_some_and(|address| !is_url(address)) {
            return Err("the address must begin with http://".to_owned());
        }
        Ok(Self { service, address: address.map(ToOwned::to_owned) })
    }
}

/// Resolves the chosen services, all by default. `stack` is called only if an address has to be found there.
///
/// # Errors
/// When a service is chosen twice, or no local stack has it.
pub(super) fn resolve(
    choices: &[Choice],
    stack: impl Fn() -> anyhow::Result<StackState>,
) -> anyhow::Result<Vec<Publisher>> {
    let all = Service::ALL.map(|service| Choice { service, address: None });
    let choices = if choices.is_empty() { all.as_slice() } else { choices };
    for (position, choice) in choices.iter().enumerate() {
        let twice = choices.iter().take(position).any(|earlier| earlier.service == choice.service);
        ensure!(!twice, "the {} service is named twice", choice.service);
    }
    let find = |Choice { service, address }: &Choice| {
        let address = match address {
            Some(address) => address.clone(),
            None => service.address_on(&stack()?)?,
        };
        Ok(Publisher { service: *service, address })
    };
    choices.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn resolved(choices: &[&str]) -> anyhow::Result<Vec<Publisher>> {
        let choices: Vec<Choice> = choices.iter().map(|choice| choice.parse().unwrap()).collect();
        resolve(&choices, || bail!("no stack runs"))
    }

    #[test]
    fn services_with_an_address_need_no_local_stack() {
        let found = resolved(&["payment=http://10.0.0.7:7004", "order=http://10.0.0.7:7003"]).unwrap();
        let payment = Publisher { service: Service::Payment, address: "http://10.0.0.7:7004".to_owned() };
        assert_eq!((found.len(), &found[0]), (2, &payment));
    }

    #[test]
    fn services_of_the_local_stack_need_one() {
        assert!(resolved(&[]).is_err());
        assert!(resolved(&["order"]).is_err());
        assert!(resolved(&["order=http://10.0.0.7:7003", "payment"]).is_err());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "user", "orders", "Order", "order=", "order=10.0.0.7:7003", "=http://10.0.0.7:1"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
        assert!(resolved(&["order=http://10.0.0.7:1", "order=http://10.0.0.7:2"]).is_err());
    }
}
