//! Accounts and payments in MongoDB. Changes that belong together are one method and one transaction; the domain
//! decides them. Each change of a payment is conditional on its present status, so any number of replicas may try it.

mod accounts;
mod audit;
mod documents;
mod payments;
mod schema;

use std::sync::LazyLock;

use messaging::Outbox;
use mongo::idempotency::Records;
use mongo::migration::Migration;
use mongo::{Abort, ConvertError, Db, Policy};
use mongodb::{ClientSession, Collection};
use primitives::UserId;

use crate::domain::{Event, Refusal};
use crate::error::Error;
use crate::events;

pub(crate) use accounts::KeyedDeposit;

use documents::{AccountDocument, BalanceDocument, EntryDocument, PaymentDocument};

const ACCOUNTS: &str = "accounts";
const ENTRIES: &str = "account_entries";
const PAYMENTS: &str = "payments";

/// The schema of the payment service, its idempotency records and its outbox.
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
    /// The same collection with linearizable reads.
    balances: Collection<AccountDocument>,
    entries: Collection<EntryDocument>,
    payments: Collection<PaymentDocument>,
    /// The same collection for reads that are only displayed.
    shown: Collection<PaymentDocument>,
    outbox: Outbox,
    deposits: Records<BalanceDocument>,
}

/// The result of a method that writes in a transaction. Nothing was written for an [`Error::Refused`].
pub(crate) type Written<T> = Result<T, Error>;

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

    /// Writes events to the outbox, in the transaction of their changes.
    async fn publish(
        &self,
        session: &mut ClientSession,
        events: impl IntoIterator<Item = Event>,
    ) -> mongodb::error::Result<()> {
        self.outbox.write(session, events.into_iter().map(|event| events::render(&event))).await
    }
}

/// The key of a user's account.
fn account_key(owner: UserId) -> mongodb::bson::Uuid {
    mongo::to_bson_uuid(owner.as_uuid())
}

/// A document with an unknown form ends the transaction like a failed operation, since a retry can't succeed.
fn unreadable(error: ConvertError) -> Abort<Refusal> {
    Abort::Driver(mongodb::error::Error::custom(error))
}
