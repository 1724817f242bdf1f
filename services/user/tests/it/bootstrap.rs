//! The first administrator.

use std::path::Path;

use mongodb::bson::doc;

use crate::support::{Service, config, eventually};
use crate::tokens::claims;

const EMAIL: &str = "admin@example.com";
const ADMIN_PASSWORD: &str = "an administrator's password";

fn section(files: &Path) -> String {
    let password = files.join("admin.password");
    std::fs::write(&password, format!("{ADMIN_PASSWORD}\n")).unwrap();
    format!("[bootstrap]\nadmin_email = '{EMAIL}'\nadmin_password_file = '{}'\n", password.display())
}

#[tokio::test]
async fn the_administrator_is_created_once() {
    let files = tempfile::tempdir().unwrap();
    let service = Service::start_with("bootstrap", &section(files.path())).await;
    let tokens = service.log_in(EMAIL, ADMIN_PASSWORD).await.unwrap();
    assert_eq!(claims(&service, &tokens.access_token).await["role"], "admin");
    let replica = service.replica().await;
    assert!(replica.log_in(EMAIL, ADMIN_PASSWORD).await.is_ok());
    assert_eq!(service.collection("users").count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn an_existing_user_with_that_email_keeps_role_and_password() {
    let files = tempfile::tempdir().unwrap();
    let before = Service::start("bootstrap_taken").await;
    let user = before.register("Ada", "ADMIN@example.com").await.unwrap();
    let again = config(files.path(), &before.config.mongo.database, &section(files.path())).await;
    let after = Service::serve(again, files).await;
    after.ready().await;
    let stored = after.collection("users").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get_str("role").unwrap(), "customer");
    assert_eq!(stored.get_i64("version").unwrap(), 1);
    assert_eq!(stored.get_str("name").unwrap(), user.name);
    assert!(after.log_in(EMAIL, ADMIN_PASSWORD).await.is_err());
}

#[tokio::test]
async fn bootstrap_waits_for_the_schema() {
    let files = tempfile::tempdir().unwrap();
    let database = devstack::testing::database_name("bootstrap_waits");
    let config = config(files.path(), &database, &section(files.path())).await;
    let service = Service::serve(config.clone(), files).await;
    service.profile().await;
    // By the third query of the migrations, bootstrap has made one: readiness alone makes one every two seconds.
    let asked = doc! { "op": "query", "ns": format!("{database}.migrations") };
    eventually("the schema was queried", || async {
        service.profiled().count_documents(asked.clone()).await.unwrap() >= 3
    })
    .await;
    assert!(!service.shell.readiness.is_ready());
    assert_eq!(service.collection("users").count_documents(doc! {}).await.unwrap(), 0);
    user::migrate(config).await.unwrap();
    service.ready().await;
    assert!(service.log_in(EMAIL, ADMIN_PASSWORD).await.is_ok());
}
