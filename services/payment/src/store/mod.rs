//! Accounts and payments in MongoDB. Everything that must happen together is one method and one transaction here; each
//! change of a payment is conditional on the status that it comes from, so that any number of replicas may try it.

mod accounts;
mod audit;
mod documents;
mod payments;
mod schema;

use std::sync::LazyLock;

use messaging::Outbox;
use mongo::idempotency::Records;
use mongo::migration::Migration;
use mongo::{Abort, ConvertError, Db, Policy, TransactError};
use mongodb::Collection;
use primitives::UserId;

use crate::domain::PostingError;
pub(crate) use accounts::KeyedDeposit;
pub(crate) use payments::Step;

use documents::{AccountDocument, BalanceDocument, EntryDocument, PaymentDocument};

const ACCOUNTS: &str = "accounts";
const ENTRIES: &str = "account_entries";
const PAYMENTS: &str = "payments";

/// The schema of the payment service, and of the idempotency records that it keeps.
pub(crate) fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> =
        LazyLock::new(|| [schema::MIGRATIONS, mongo::idempotency::MIGRATIONS, messaging::MIGRATIONS].concat());
    &ALL
}

/// The collections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    accounts: Collection<AccountDocument>,
    /// The same accounts, read linearizably.
    balances: Collection<AccountDocument>,
    entries: Collection<EntryDocument>,
    payments: Collection<PaymentDocument>,
    /// The same for looking at.
    shown: Collection<PaymentDocument>,
    outbox: Outbox,
    deposits: Records<BalanceDocument>,
}

/// Why a transaction wrote nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The account's rules refuse it.
    #[error(transparent)]
    Posting(#[from] PostingError),
    /// A twin with the same idempotency key is under way or was finished meanwhile.
    #[error(transparent)]
    Conflict(#[from] idempotency::Conflict),
    /// The order has a live payment already.
    #[error("the order has a live payment")]
    AlreadyLive,
    /// The payment's status is another one by now.
    #[error("the payment has changed meanwhile")]
    Changed,
}

/// What the writing methods of the store return.
pub(crate) type Written<T> = Result<T, TransactError<Refusal>>;

impl Store {
    /// The collections of a database.
    pub(crate) fn new(db: &Db, outbox: Outbox) -> Self {
        Self {
            db: db.clone(),
            accounts: db.collection(Policy::Ledger, ACCOUNTS),
            balances: db.collection(Policy::Linearizable, ACCOUNTS),
            entries: db.collection(Policy::Ledger, ENTRIES),
            payments: db.collection(Policy::Ledger, PAYMENTS),
            shown: db.collection(Policy::Shown, PAYMENTS),
            outbox,
            deposits: Records::new(db),
        }
    }
}

/// The account of a user as its key.
fn account_key(owner: UserId) -> mongodb::bson::Uuid {
    mongo::to_bson_uuid(owner.as_uuid())
}

/// A document that we did not write ends the transaction like a failed operation: nobody can try it again with
/// success.
fn unreadable(error: ConvertError) -> Abort<Refusal> {
    Abort::Driver(mongodb::error::Error::custom(error))
}
