//! Checks that each user's idempotency key has placed one order.

use mongodb::bson::doc;

use crate::cut::Cut;
use crate::documents::SharedKey;
use crate::error::VerifyError;
use crate::findings::{Check, Difference, Findings};

pub(crate) async fn check(cut: &mut Cut, findings: &mut Findings) -> Result<(), VerifyError> {
    // The server holds a group for every order, so each is kept as small as possible.
    let group = doc! { "$group": {
        "_id": { "userId": "$userId", "idempotencyKey": "$idempotencyKey" },
        "orders": { "$sum": 1 },
    } };
    let shared = doc! { "$match": { "orders": { "$gt": 1 } } };
    let mut keys = cut.stream::<SharedKey>(vec![group, shared, doc! { "$sort": { "_id": 1 } }]).await?;
    while let Some(scope) = keys.key() {
        while let Some(key) = keys.next_of(&scope, cut).await? {
            let user = scope.user_id.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
            let name = scope.idempotency_key.as_deref().unwrap_or("none");
            let subject = format!("user {user}, key {name}");
            let found = format!("{} orders", key.orders);
            findings.add(Check::OneOrderPerKey, Difference::new(subject, "1 order", found));
        }
    }
    Ok(())
}
