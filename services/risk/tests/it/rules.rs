//! Rules are served with their version, and replaced by administrators.

use envelope::{Error, Reason};
use mongodb::bson::doc;
use primitives::UserId;
use proto::risk::v1::{AmountAbove, Decision, ReplaceRulesRequest, Rule, Rules, rule};
use service::Role;

use crate::world::{Replica, World, calling, eventually, order};

fn amount_above(amount: i64) -> Rules {
    let when = Some(rule::When::AmountAbove(AmountAbove { amount }));
    Rules { reject_at: 1, rules: vec![Rule { points: 1, when }] }
}

async fn replace(replica: &Replica, role: Option<Role>, expected_version: u64, rules: Rules) -> Result<u64, Error> {
    let request = calling(role, ReplaceRulesRequest { expected_version, rules: Some(rules) });
    let answered = replica.client.clone().replace_rules(request).await;
    Ok(answered.map_err(Error::from_status)?.into_inner().version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_replaced_once_and_the_new_rules_apply_at_all_replicas() {
    let world = World::start("replace", risk::Rules::default()).await;
    let (one, two) = (world.replica().await, world.replica().await);
    let first = one.rules(0).await.unwrap();
    assert_eq!((first.version, first.rules.unwrap().reject_at), (1, 100));
    assert_eq!(one.rules(1).await.unwrap().rules, None);
    let admin = Some(Role::Admin);
    // Both replace version 1; only the first one succeeds.
    let (left, right) =
        tokio::join!(replace(&one, admin, 1, amount_above(10)), replace(&two, admin, 1, amount_above(20)));
    let (won, lost) = if left.is_ok() { (left, right) } else { (right, left) };
    assert_eq!((won.unwrap(), lost.unwrap_err().reason()), (2, Reason::VersionMismatch));
    for replica in [&one, &two] {
        eventually("the new rules apply", async || replica.rules(0).await.unwrap().version == 2).await;
    }
    assert_eq!(one.rules(1).await.unwrap(), two.rules(1).await.unwrap());
    assert_eq!(replace(&two, admin, 2, amount_above(5)).await.unwrap(), 3);
    let judged = two.assess(&order(UserId::new(), 6)).await.unwrap();
    assert_eq!((judged.decision(), judged.rules_version), (Decision::Reject, 3));
    // Earlier versions stay stored.
    assert_eq!(world.count("risk_rules", doc! {}).await, 2);
    // A new replica reads the newest version.
    assert_eq!(world.replica().await.rules(0).await.unwrap().rules, Some(amount_above(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_replace_rules_and_only_with_valid_ones() {
    let world = World::start("refused", risk::Rules::default()).await;
    let replica = world.replica().await;
    let refused = async |role, version, rules| replace(&replica, role, version, rules).await.unwrap_err().reason();
    assert_eq!(refused(None, 1, amount_above(5)).await, Reason::Unauthenticated);
    assert_eq!(refused(Some(Role::Customer), 1, amount_above(5)).await, Reason::Forbidden);
    assert_eq!(refused(Some(Role::Admin), 1, amount_above(0)).await, Reason::ValidationFailed);
    for version in [0, 2, u64::MAX] {
        assert_eq!(refused(Some(Role::Admin), version, amount_above(5)).await, Reason::VersionMismatch);
    }
    assert_eq!(replica.rules(0).await.unwrap().version, 1);
}
