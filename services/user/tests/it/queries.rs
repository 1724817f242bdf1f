//! Every query uses an index, by the query plans that the database reports for all calls.

use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use proto::common::v1::PageRequest;
use proto::user::v1::{EndSessionRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest};
use service::{Caller, Role};

use crate::support::{PASSWORD, Service, answer, by, by_admin, context};
use crate::tokens::claims;

/// How many documents or keys an operation may examine beyond those it needs: the one that ends a range.
const SLACK: i64 = 1;
/// Enough users to make a scan visible.
const USERS: usize = 20;

/// Every call once, and the refusals whose queries find nothing.
async fn call_everything(service: &Service) {
    let mut users = Vec::new();
    for at in 0..USERS {
        users.push(service.register("Ada", &format!("ada{at}@example.com")).await.unwrap());
    }
    let ada = &users[0];
    service.log_in("nobody@example.com", PASSWORD).await.unwrap_err();
    service.log_in("ada0@example.com", "wrong password").await.unwrap_err();
    let first = service.log_in("ada0@example.com", PASSWORD).await.unwrap();
    let second = service.refresh(&first.refresh_token).await.unwrap();
    let session_id = claims(service, &second.access_token).await["sid"].as_str().unwrap().parse().unwrap();
    let caller = Caller { user_id: ada.id.parse().unwrap(), role: Role::Customer, session_id };
    let end = context(Some(caller)).request(EndSessionRequest {}).unwrap();
    answer(service.sessions.clone().end_session(end).await).unwrap();
    service.refresh(&first.refresh_token).await.unwrap_err();
    service.refresh("unknown").await.unwrap_err();
    answer(service.users.clone().get_user(by(ada, Role::Customer, GetUserRequest::default())).await).unwrap();
    let change = UpdateUserRequest {
        expected_version: 1,
        name: Some("Ada Lovelace".into()),
        email: Some("lovelace@example.com".into()),
    };
    answer(service.users.clone().update_user(by(ada, Role::Customer, change)).await).unwrap();
    let mut page_token = String::new();
    for _ in 0..2 {
        let page = Some(PageRequest { page_size: 5, page_token });
        let listed = answer(service.users.clone().list_users(by_admin(ListUsersRequest { page })).await).unwrap();
        page_token = listed.next_page_token;
    }
}

#[tokio::test]
async fn no_operation_examines_more_than_it_needs() {
    let service = Service::start("queries").await;
    service.profile().await;
    call_everything(&service).await;
    let by_the_service = doc! { "appName": "fournines", "planSummary": { "$exists": true } };
    let by_collection = doc! { "$not": { "$regex": r"\.(system\.profile|migrations|leases)$" } };
    let filter = doc! { "$and": [by_the_service, { "ns": by_collection }] };
    let operations: Vec<Document> = service.profiled().find(filter).await.unwrap().try_collect().await.unwrap();
    for collection in ["users", "sessions", "refresh_tokens", "login_throttle"] {
        assert!(operations.iter().any(|operation| operation.get_str("ns").unwrap().ends_with(collection)));
    }
    for operation in &operations {
        let plan = operation.get_str("planSummary").unwrap();
        assert!(plan.starts_with("IXSCAN") || plan == "IDHACK", "{plan}: {operation}");
        let number = |name: &str| match operation.get(name) {
            Some(Bson::Int32(number)) => i64::from(*number),
            Some(Bson::Int64(number)) => *number,
            _ => 0,
        };
        let needed = number("nreturned").max(number("nMatched")).max(number("ndeleted")) + SLACK;
        assert!(number("docsExamined") <= needed, "{operation}");
        assert!(number("keysExamined") <= needed, "{operation}");
    }
}
