//! The stored forms of accounts, entries and payments.

use std::num::NonZeroI64;

use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid, to_i64, to_u64};
use mongodb::bson::{DateTime, Uuid};
use primitives::{Currency, Money};
use serde::{Deserialize, Serialize};

use super::account_key;
use crate::domain::{Account, Balance, Entry, EntryKind, Method, Payment, Status};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    balance: i64,
    currency: Currency,
    version: i64,
    updated_at: DateTime,
}

impl AccountDocument {
    pub(super) fn new(account: &Account, updated_at: jiff::Timestamp) -> Result<Self, ConvertError> {
        Ok(Self {
            id: account_key(account.owner),
            balance: account.balance.amount(),
            currency: account.balance.currency(),
            version: to_i64("account version", account.version)?,
            updated_at: to_bson_time(updated_at),
        })
    }
}

impl TryFrom<AccountDocument> for Account {
    type Error = ConvertError;

    fn try_from(document: AccountDocument) -> Result<Self, ConvertError> {
        Ok(Self {
            owner: from_bson_uuid(document.id).into(),
            balance: Money::new(document.balance, document.currency),
            version: to_u64("account version", document.version)?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    account_id: Uuid,
    sequence: i64,
    delta: i64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment_id: Option<Uuid>,
    balance_after: i64,
    created_at: DateTime,
}

impl EntryDocument {
    pub(super) fn new(entry: &Entry) -> Result<Self, ConvertError> {
        let of = entry.kind.payment();
        Ok(Self {
            id: to_bson_uuid(entry.id.as_uuid()),
            account_id: account_key(entry.owner),
            sequence: to_i64("entry sequence", entry.sequence)?,
            delta: entry.delta.get(),
            kind: entry.kind.name().to_owned(),
            order_id: of.map(|(order, _)| to_bson_uuid(order.as_uuid())),
            payment_id: of.map(|(_, payment)| to_bson_uuid(payment.as_uuid())),
            balance_after: entry.balance_after,
            created_at: to_bson_time(entry.created_at),
        })
    }

    fn kind(&self) -> Option<EntryKind> {
        let order = self.order_id.map(|id| from_bson_uuid(id).into());
        let payment = self.payment_id.map(|id| from_bson_uuid(id).into());
        EntryKind::from_parts(&self.kind, order.zip(payment))
    }
}

impl TryFrom<EntryDocument> for Entry {
    type Error = ConvertError;

    fn try_from(document: EntryDocument) -> Result<Self, ConvertError> {
        let invalid = ConvertError { what: "account entry" };
        let (Some(kind), Some(delta)) = (document.kind(), NonZeroI64::new(document.delta)) else {
            return Err(invalid);
        };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            owner: from_bson_uuid(document.account_id).into(),
            sequence: to_u64("entry sequence", document.sequence)?,
            delta,
            kind,
            balance_after: document.balance_after,
            created_at: from_bson_time(document.created_at)?,
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    order_id: Uuid,
    user_id: Uuid,
    method: String,
    status: String,
    amount: i64,
    currency: Currency,
    created_at: DateTime,
    pub(super) updated_at: DateTime,
    /// When the resolver looks at it next; absent once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime>,
    /// The provider's name for the charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_reference: Option<String>,
}

impl PaymentDocument {
    pub(super) fn new(payment: &Payment, due_at: Option<jiff::Timestamp>) -> Self {
        Self {
            id: to_bson_uuid(payment.id.as_uuid()),
            order_id: to_bson_uuid(payment.order_id.as_uuid()),
            user_id: to_bson_uuid(payment.user_id.as_uuid()),
            method: payment.method.name().to_owned(),
            status: payment.status.name().to_owned(),
            amount: payment.amount.amount(),
            currency: payment.amount.currency(),
            created_at: to_bson_time(payment.created_at),
            updated_at: to_bson_time(payment.created_at),
            due_at: due_at.map(to_bson_time),
            provider_reference: None,
        }
    }
}

impl TryFrom<PaymentDocument> for Payment {
    type Error = ConvertError;

    fn try_from(document: PaymentDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "payment" };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            order_id: from_bson_uuid(document.order_id).into(),
            user_id: from_bson_uuid(document.user_id).into(),
            method: Method::from_name(&document.method).ok_or_else(invalid)?,
            status: Status::from_name(&document.status).ok_or_else(invalid)?,
            amount: Money::new(document.amount, document.currency),
            created_at: from_bson_time(document.created_at)?,
        })
    }
}

/// The answer to a deposit, stored with its idempotency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BalanceDocument {
    balance: i64,
    currency: Currency,
    as_of: DateTime,
}

impl From<&Balance> for BalanceDocument {
    fn from(balance: &Balance) -> Self {
        Self { balance: balance.money.amount(), currency: balance.money.currency(), as_of: to_bson_time(balance.as_of) }
    }
}

impl TryFrom<BalanceDocument> for Balance {
    type Error = ConvertError;

    fn try_from(document: BalanceDocument) -> Result<Self, ConvertError> {
        Ok(Self { money: Money::new(document.balance, document.currency), as_of: from_bson_time(document.as_of)? })
    }
}
