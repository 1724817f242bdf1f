//! The table of endpoints.

use std::sync::LazyLock;

use crate::endpoint::Endpoint;
use crate::routes::{balance, meta, orders, payments, products, reconciliations, sessions, statements, stock, users};

/// Every endpoint, in the order of the contract.
pub fn endpoints() -> &'static [Endpoint] {
    static TABLE: LazyLock<Vec<Endpoint>> = LazyLock::new(|| {
        let parts = [
            users::endpoints(),
            balance::endpoints(),
            sessions::endpoints(),
            products::endpoints(),
            stock::endpoints(),
            orders::endpoints(),
            payments::endpoints(),
            statements::endpoints(),
            reconciliations::endpoints(),
            meta::endpoints(),
        ];
        parts.into_iter().flatten().collect()
    });
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::OperationId;

    #[test]
    fn every_operation_has_one_endpoint() {
        let operations: Vec<_> = endpoints().iter().map(|endpoint| endpoint.operation).collect();
        assert_eq!(operations, OperationId::ALL);
    }
}
