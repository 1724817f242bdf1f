//! The audit of logins.

use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use crate::support::{PASSWORD, Service, eventually};

#[tokio::test]
async fn every_login_leaves_a_record_without_email_or_password() {
    let service = Service::start_with("audit", "[throttle]\naccount_limit = 2\n").await;
    service.register("Ada", "ada@example.com").await.unwrap();
    service.log_in("ada@example.com", PASSWORD).await.unwrap();
    for _ in 0..3 {
        service.log_in("ada@example.com", "wrong password").await.unwrap_err();
    }
    let audit = service.collection("login_audit");
    eventually("four records are stored", || async { audit.count_documents(doc! {}).await.unwrap() == 4 }).await;
    let records: Vec<Document> = audit.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    let mut outcomes: Vec<_> = records.iter().map(|record| record.get_str("outcome").unwrap()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["bad_credentials", "bad_credentials", "succeeded", "throttled"]);
    for record in &records {
        assert_eq!(record.get_str("address").unwrap(), "192.0.2.1");
        assert_eq!(record.get_str("requestId").unwrap(), "test");
        assert_eq!(record.contains_key("userId"), record.get_str("outcome").unwrap() == "succeeded");
        let text = format!("{record}");
        for secret in ["ada@", PASSWORD, "wrong password"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let kept_ms = record.get_datetime("expiresAt").unwrap().timestamp_millis()
            - record.get_datetime("at").unwrap().timestamp_millis();
        assert_eq!(kept_ms, 90 * 24 * 60 * 60 * 1_000);
    }
}

#[tokio::test]
async fn a_login_does_not_need_the_audit() {
    let service = Service::start("audit_down").await;
    service.register("Ada", "ada@example.com").await.unwrap();
    // From now on the database rejects every record.
    let refuse = doc! { "collMod": "login_audit", "validator": { "never": true } };
    service.db.database().run_command(refuse).await.unwrap();
    for _ in 0..3 {
        service.log_in("ada@example.com", PASSWORD).await.unwrap();
    }
    assert_eq!(service.collection("login_audit").count_documents(doc! {}).await.unwrap(), 0);
}
