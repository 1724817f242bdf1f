//! `/users`

use actix_web::web;
use envelope::Reason;
use primitives::UserId;
use proto::payment::v1::DepositRequest;
use proto::user::v1::{GetUserRequest, ListUsersRequest};

use crate::dto::{Balance, ChangeUser, Page, PositiveMoney, RegisterUser, User};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::{Call, Violations};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/api/v1/users", Access::Public, OperationId::RegisterUser, || web::to(register))
            .summary("Registers a customer. An email address can be registered once, regardless of case.")
            .admits()
            .takes::<RegisterUser>()
            .creates::<User>()
            .with_etag()
            .refuses(&[Reason::AlreadyExists]),
        Endpoint::new(Verb::Get, "/api/v1/users", Access::Admin, OperationId::ListUsers, || web::to(list))
            .summary("Lists all users, oldest first.")
            .can_wait()
            .query(&PAGE)
            .gives::<Page<User>>(),
        Endpoint::new(Verb::Get, "/api/v1/users/me", Access::User, OperationId::GetMe, || web::to(get_me))
            .summary("Returns the caller's profile.")
            .gives::<User>()
            .with_etag()
            .refuses(&[Reason::NotFound]),
        Endpoint::new(Verb::Patch, "/api/v1/users/me", Access::User, OperationId::ChangeMe, || web::to(change_me))
            .summary("Updates the caller's profile.")
            .versioned()
            .takes::<ChangeUser>()
            .gives::<User>()
            .with_etag()
            .refuses(&[Reason::NotFound, Reason::AlreadyExists]),
        Endpoint::new(Verb::Post, "/api/v1/users/{id}/deposits", Access::Admin, OperationId::Deposit, || {
            web::to(deposit)
        })
        .summary("Deposits money into a user's account and returns the new balance.")
        .pays()
        .idempotent()
        .takes::<PositiveMoney>()
        .creates::<Balance>()
        .refuses(&[Reason::NotFound, Reason::InvalidState]),
    ]
}

async fn register(mut call: Call) -> Result<Reply<User>, Refusal> {
    call.no_query()?;
    let request = call.body::<RegisterUser>().await?.check()?;
    let response = call.services().register_user(request).await?.into_inner();
    Ok(Reply::created(User::try_from(response.user)?).tagged())
}

async fn list(call: Call) -> Result<Reply<Page<User>>, Refusal> {
    let mut query = call.query()?;
    let page = Some(query.take_page());
    query.finish()?;
    let response = call.services().list_users(ListUsersRequest { page }).await?.into_inner();
    Ok(Reply::ok(Page::of(response.users, response.next_page_token)?))
}

async fn get_me(call: Call) -> Result<Reply<User>, Refusal> {
    call.no_query()?;
    // Without an id, the service returns the caller.
    let response = call.services().get_user(GetUserRequest::default()).await?.into_inner();
    Ok(Reply::ok(User::try_from(response.user)?).tagged())
}

async fn change_me(mut call: Call) -> Result<Reply<User>, Refusal> {
    call.no_query()?;
    let version = call.expected_version()?;
    let request = call.body::<ChangeUser>().await?.check(version)?;
    let response = call.services().update_user(request).await?.into_inner();
    Ok(Reply::ok(User::try_from(response.user)?).tagged())
}

async fn deposit(mut call: Call) -> Result<Reply<Balance>, Refusal> {
    call.no_query()?;
    let user: UserId = call.path("id")?;
    let key = call.idempotency_key()?;
    let mut wrong = Violations::default();
    let amount = call.body::<PositiveMoney>().await?.check("", &mut wrong);
    wrong.finish()?;
    // The payment service does not know users: it would open an account for any id.
    call.services().get_user(GetUserRequest { user_id: user.to_string() }).await?;
    let request = DepositRequest {
        user_id: user.to_string(),
        amount: amount.map(proto::from_money),
        idempotency_key: key.as_str().to_owned(),
    };
    let response = call.services().deposit(request).await?;
    let (metadata, response, _) = response.into_parts();
    Ok(Reply::created(Balance::try_from(response.balance)?).replayed(&metadata))
}
