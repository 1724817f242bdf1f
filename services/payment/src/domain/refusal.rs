//! Why a request is not carried out.

use primitives::{Currency, UserId};

/// A rule that keeps a request from being carried out. Nothing is written for a refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The account does not cover the payment.
    #[error("the balance does not cover the payment")]
    InsufficientFunds,
    /// The card provider declined the payment; the order may be paid again.
    #[error("the payment was declined")]
    Declined,
    /// The card provider's answer is not known yet. The payment or refund stays recorded, and the resolver settles it.
    #[error("the outcome at the card provider is not known yet")]
    OutcomeUnknown,
    /// The order's live payment has another amount or user than the charge.
    #[error("the order has a payment of another amount or user")]
    OtherPayment,
    /// The order's payment is refunded or being refunded.
    #[error("the order's payment was refunded")]
    AlreadyRefunded,
    /// The order has no captured payment.
    #[error("nothing was captured for the order")]
    NothingToRefund,
    /// The order already has a live payment.
    #[error("the order has a live payment")]
    AlreadyLive,
    /// Another request changed the payment's status first.
    #[error("the payment has changed")]
    Changed,
    /// No payment has this id.
    #[error("the payment does not exist")]
    NoSuchPayment,
    /// An amount is outside its range.
    #[error("the amount {0}")]
    AmountOutOfRange(&'static str),
    /// The amount is not in the shop's currency, which is this one.
    #[error("the shop's currency is {}", .0.code())]
    WrongCurrency(Currency),
    /// The account does not agree with its last entry, or is in another currency: nothing is posted to it until a
    /// person has looked.
    #[error("the account {0} does not agree with its ledger")]
    LedgerDisagrees(UserId),
    /// A request with the same idempotency key is running or has just finished.
    #[error(transparent)]
    Key(#[from] idempotency::Conflict),
}
