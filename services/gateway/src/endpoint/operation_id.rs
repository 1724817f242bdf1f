//! The operations of the API. Configuration refers to them by name, so they are defined apart from their handlers.

/// The time budget of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Default,
    /// For operations that may wait for a payment provider.
    Payment,
}

/// Defines the operations from one list.
macro_rules! operations {
    ($($operation:ident = $name:literal,)+) => {
        /// An operation of the API, by its `operationId` in OpenAPI.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum OperationId {
            $($operation,)+
        }

        impl OperationId {
            /// Every operation, in the order of the table of endpoints.
            pub(crate) const ALL: &[Self] = &[$(Self::$operation,)+];

            /// Its name in OpenAPI.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$operation => $name,)+
                }
            }
        }
    };
}

operations! {
    RegisterUser = "registerUser",
    ListUsers = "listUsers",
    GetMe = "getMe",
    ChangeMe = "changeMe",
    Deposit = "deposit",
    GetBalance = "getBalance",
    LogIn = "logIn",
    RefreshSession = "refreshSession",
    LogOut = "logOut",
    ListProducts = "listProducts",
    GetProduct = "getProduct",
    CreateProduct = "createProduct",
    ChangeProduct = "changeProduct",
    GetStock = "getStock",
    AdjustStock = "adjustStock",
    ListStockMovements = "listStockMovements",
    PlaceOrder = "placeOrder",
    ListOrders = "listOrders",
    GetOrder = "getOrder",
    CancelOrder = "cancelOrder",
    PayOrder = "payOrder",
    ListPayments = "listPayments",
    ListStatements = "listStatements",
    ListReconciliations = "listReconciliations",
    StartReconciliation = "startReconciliation",
    GetReconciliation = "getReconciliation",
    ListReconciliationExceptions = "listReconciliationExceptions",
    IsAlive = "isAlive",
    IsReady = "isReady",
    GetKeys = "getKeys",
    GetOpenApi = "getOpenApi",
}

impl OperationId {
    /// The operation of this name, regardless of case: sources of configuration change the case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name().eq_ignore_ascii_case(name))
    }

    /// Its position in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn budget(self) -> Budget {
        match self {
            Self::CancelOrder | Self::PayOrder => Budget::Payment,
            _ => Budget::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_index_and_is_found_by_its_name() {
        for (position, &operation) in OperationId::ALL.iter().enumerate() {
            assert_eq!(operation.index(), position);
            assert_eq!(OperationId::parse(&operation.name().to_uppercase()), Some(operation));
        }
        assert_eq!(OperationId::parse("placeOrders"), None);
    }
}
