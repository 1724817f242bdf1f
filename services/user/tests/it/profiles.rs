//! Profiles: who may see and change them, versions, and the administrator's list.

use envelope::{Error, Reason};
use futures::future::join_all;
use primitives::UserId;
use proto::common::v1::PageRequest;
use proto::user::v1::{GetUserRequest, ListUsersRequest, ListUsersResponse, UpdateUserRequest, User};
use service::Role;
use tonic::Request;

use crate::support::{PASSWORD, Service, answer, anyone, by, by_admin, reason};

async fn get(service: &Service, request: Request<GetUserRequest>) -> Result<User, Error> {
    Ok(answer(service.users.clone().get_user(request).await)?.user.unwrap())
}

async fn update(service: &Service, request: Request<UpdateUserRequest>) -> Result<User, Error> {
    Ok(answer(service.users.clone().update_user(request).await)?.user.unwrap())
}

async fn list(service: &Service, size: u32, token: &str) -> Result<ListUsersResponse, Error> {
    let page = Some(PageRequest { page_size: size, page_token: token.into() });
    answer(service.users.clone().list_users(by_admin(ListUsersRequest { page })).await)
}

fn user_id(id: impl ToString) -> GetUserRequest {
    GetUserRequest { user_id: id.to_string() }
}

fn rename(version: u64, name: &str) -> UpdateUserRequest {
    UpdateUserRequest { expected_version: version, name: Some(name.into()), email: None }
}

fn new_email(version: u64, email: &str) -> UpdateUserRequest {
    UpdateUserRequest { expected_version: version, name: None, email: Some(email.into()) }
}

#[tokio::test]
async fn users_see_themselves_and_administrators_see_all() {
    let service = Service::start("see").await;
    let ada = service.register("Ada", "ada@example.com").await.unwrap();
    let eve = service.register("Eve", "eve@example.com").await.unwrap();
    assert_eq!(get(&service, by(&ada, Role::Customer, user_id(""))).await.unwrap(), ada);
    assert_eq!(get(&service, by(&ada, Role::Customer, user_id(&ada.id))).await.unwrap(), ada);
    assert_eq!(get(&service, by_admin(user_id(&ada.id))).await.unwrap(), ada);
    let cases = [
        (anyone(user_id("")), Reason::Unauthenticated),
        (anyone(user_id(&ada.id)), Reason::Unauthenticated),
        (by(&eve, Role::Customer, user_id(&ada.id)), Reason::Forbidden),
        (by(&eve, Role::Customer, user_id(UserId::new())), Reason::Forbidden),
        (by_admin(user_id(UserId::new())), Reason::NotFound),
        (by_admin(user_id("../etc")), Reason::ValidationFailed),
    ];
    for (request, expected) in cases {
        let message = format!("{:?}", request.get_ref());
        assert_eq!(reason(&get(&service, request).await), Some(expected), "{message}");
    }
}

#[tokio::test]
async fn a_change_is_based_on_a_version() {
    let service = Service::start("version").await;
    let ada = service.register("Ada", "ada@example.com").await.unwrap();
    let changed = update(&service, by(&ada, Role::Customer, rename(1, "Ada Lovelace"))).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.version, &changed.email), ("Ada Lovelace", 2, &ada.email));
    assert_eq!(get(&service, by(&ada, Role::Customer, user_id(""))).await.unwrap(), changed);
    let stale = update(&service, by(&ada, Role::Customer, rename(1, "Eve"))).await;
    assert_eq!(reason(&stale), Some(Reason::VersionMismatch));
    let same = update(&service, by(&ada, Role::Customer, rename(2, "Ada Lovelace"))).await.unwrap();
    assert_eq!(same.version, 2, "a change without effect makes no version");
    let invalid = UpdateUserRequest { expected_version: 2, name: Some("x".into()), email: Some("x".into()) };
    let invalid = update(&service, by(&ada, Role::Customer, invalid)).await.unwrap_err();
    assert_eq!((invalid.reason(), invalid.details().len()), (Reason::ValidationFailed, 2));
    assert_eq!(reason(&update(&service, anyone(rename(2, "Eve"))).await), Some(Reason::Unauthenticated));
    assert_eq!(reason(&update(&service, by_admin(rename(1, "Eve"))).await), Some(Reason::NotFound));
}

#[tokio::test]
async fn one_of_several_concurrent_changes_wins() {
    let service = Service::start("change_race").await;
    let ada = service.register("Ada", "ada@example.com").await.unwrap();
    let changes = (0..8).map(|at| {
        let request = by(&ada, Role::Customer, rename(1, &format!("Ada {at}")));
        update(&service, request)
    });
    let answered = join_all(changes).await;
    assert_eq!(answered.iter().filter(|answered| answered.is_ok()).count(), 1, "{answered:?}");
    assert!(answered.iter().filter_map(reason).all(|reason| reason == Reason::VersionMismatch), "{answered:?}");
}

#[tokio::test]
async fn a_new_email_must_be_free_and_replaces_the_old_one() {
    let service = Service::start("new_email").await;
    let ada = service.register("Ada", "ada@example.com").await.unwrap();
    service.register("Eve", "eve@example.com").await.unwrap();
    let taken = update(&service, by(&ada, Role::Customer, new_email(1, "EVE@example.com"))).await;
    assert_eq!(reason(&taken), Some(Reason::AlreadyExists));
    let spelled = update(&service, by(&ada, Role::Customer, new_email(1, "Ada@Example.com"))).await.unwrap();
    assert_eq!((spelled.email.as_str(), spelled.version), ("Ada@Example.com", 2));
    update(&service, by(&ada, Role::Customer, new_email(2, "lovelace@example.com"))).await.unwrap();
    assert!(service.log_in("lovelace@example.com", PASSWORD).await.is_ok());
    assert_eq!(reason(&service.log_in("ada@example.com", PASSWORD).await), Some(Reason::BadCredentials));
    assert!(service.register("New Ada", "ada@example.com").await.is_ok());
}

#[tokio::test]
async fn the_list_contains_every_user_once_oldest_first() {
    let service = Service::start("list").await;
    let mut registered = Vec::new();
    for at in 0..5 {
        registered.push(service.register("Ada", &format!("ada{at}@example.com")).await.unwrap());
    }
    let (mut listed, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(&service, 2, &token).await.unwrap();
        assert!(page.users.len() <= 2);
        listed.extend(page.users);
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((listed, pages), (registered.clone(), 3));
    let exactly_full = list(&service, 5, "").await.unwrap();
    assert_eq!((exactly_full.users.len(), exactly_full.next_page_token.as_str()), (5, ""));
    assert_eq!(list(&service, 0, "").await.unwrap().users, registered);
}

#[tokio::test]
async fn the_list_is_for_administrators_and_accepts_only_its_own_tokens() {
    let service = Service::start("list_refused").await;
    let ada = service.register("Ada", "ada@example.com").await.unwrap();
    service.register("Eve", "eve@example.com").await.unwrap();
    let customer =
        answer(service.users.clone().list_users(by(&ada, Role::Customer, ListUsersRequest::default())).await);
    assert_eq!(reason(&customer), Some(Reason::Forbidden));
    let nobody = answer(service.users.clone().list_users(anyone(ListUsersRequest::default())).await);
    assert_eq!(reason(&nobody), Some(Reason::Unauthenticated));
    let token = list(&service, 1, "").await.unwrap().next_page_token;
    let mut forged = token.clone().into_bytes();
    forged[10] ^= 1;
    for bad in [String::from_utf8(forged).unwrap(), "x".into(), token[..token.len() - 1].into()] {
        assert_eq!(reason(&list(&service, 1, &bad).await), Some(Reason::InvalidPageToken), "{bad}");
    }
    assert_eq!(reason(&list(&service, 201, "").await), Some(Reason::ValidationFailed));
}
