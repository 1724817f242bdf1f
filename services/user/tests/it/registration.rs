//! Registration: valid and invalid data, and unique emails.

use envelope::{Detail, Reason};
use futures::future::join_all;
use mongodb::bson::doc;
use proto::user::v1::Role;

use crate::support::{PASSWORD, Service, reason};

#[tokio::test]
async fn a_registered_user_is_a_customer_with_the_email_as_typed() {
    let service = Service::start("registered").await;
    let user = service.register("  Ada Lovelace ", "Ada@Example.com").await.unwrap();
    assert_eq!((user.name.as_str(), user.email.as_str()), ("Ada Lovelace", "Ada@Example.com"));
    assert_eq!((user.role(), user.version), (Role::Customer, 1));
    assert!(user.created_at.is_some());
}

#[tokio::test]
async fn the_password_is_stored_only_as_an_argon2id_hash() {
    let service = Service::start("hashed").await;
    service.register("Ada", "ada@example.com").await.unwrap();
    let stored = service.collection("users").find_one(doc! {}).await.unwrap().unwrap();
    assert!(stored.get_str("passwordHash").unwrap().starts_with("$argon2id$v=19$"));
    assert!(!format!("{stored}").contains(PASSWORD));
}

#[tokio::test]
async fn all_violations_are_reported_together_and_nothing_is_written() {
    let service = Service::start("violations").await;
    let refused = service.register_with(" a ", "not an email", "1234567").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::ValidationFailed);
    let field = |detail: &Detail| match detail {
        Detail::Field { field, .. } => field.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused.details().iter().map(field).collect::<Vec<_>>(), ["name", "email", "password"]);
    let too_long = service.register_with("Ada", "ada@example.com", &"x".repeat(129)).await.unwrap_err();
    assert_eq!(too_long.details().iter().map(field).collect::<Vec<_>>(), ["password"]);
    assert_eq!(service.collection("users").count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn an_email_is_taken_in_any_case() {
    let service = Service::start("taken").await;
    service.register("Ada", "ada@example.com").await.unwrap();
    assert_eq!(reason(&service.register("Eve", "ADA@example.COM").await), Some(Reason::AlreadyExists));
}

#[tokio::test]
async fn one_of_sixteen_concurrent_registrations_succeeds() {
    let service = Service::start("race").await;
    let emails = (0..16).map(|at| if at % 2 == 0 { "ada@example.com" } else { "Ada@Example.Com" });
    let answered = join_all(emails.map(|email| service.register("Ada", email))).await;
    assert_eq!(answered.iter().filter(|answered| answered.is_ok()).count(), 1);
    assert!(answered.iter().filter_map(reason).all(|reason| reason == Reason::AlreadyExists));
    assert_eq!(service.collection("users").count_documents(doc! {}).await.unwrap(), 1);
}
