//! Logins, refreshes, logouts, and the reuse of refresh tokens.

use envelope::{Error, Reason};
use futures::future::join_all;
use mongodb::bson::{DateTime, doc};
use primitives::SessionId;
use proto::user::v1::{EndSessionRequest, TokenPair};
use service::{Caller, Role};

use crate::support::{PASSWORD, Service, answer, anyone, context, reason};
use crate::tokens::claims;

const EMAIL: &str = "ada@example.com";

async fn logged_in(test: &str) -> (Service, TokenPair) {
    let service = Service::start(test).await;
    service.register("Ada", EMAIL).await.unwrap();
    let tokens = service.log_in(EMAIL, PASSWORD).await.unwrap();
    (service, tokens)
}

/// Logs out with the identity in the access token, as the gateway does.
async fn log_out(service: &Service, tokens: &TokenPair) {
    let claims = claims(service, &tokens.access_token).await;
    let session_id: SessionId = claims["sid"].as_str().unwrap().parse().unwrap();
    let user_id = claims["sub"].as_str().unwrap().parse().unwrap();
    let caller = Caller { user_id, role: Role::Customer, session_id };
    let request = context(Some(caller)).request(EndSessionRequest {}).unwrap();
    answer(service.sessions.clone().end_session(request).await).unwrap();
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_get_the_same_answer() {
    let (service, _) = logged_in("credentials").await;
    let wrong = service.log_in(EMAIL, "wrong password").await.unwrap_err();
    assert_eq!(wrong.reason(), Reason::BadCredentials);
    let long = "x".repeat(10_000);
    for (email, password) in [("eve@example.com", PASSWORD), ("", ""), ("no email", PASSWORD), (EMAIL, &long)] {
        let refused = service.log_in(email, password).await.unwrap_err();
        assert_eq!(refused.to_string(), wrong.to_string());
        assert_eq!(refused.details(), wrong.details());
    }
    assert!(service.log_in("ADA@EXAMPLE.COM", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_session() {
    let (service, first) = logged_in("refresh").await;
    let second = service.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    let (before, after) = (claims(&service, &first.access_token).await, claims(&service, &second.access_token).await);
    assert_eq!(before["sid"], after["sid"]);
    assert_ne!(before["jti"], after["jti"]);
    assert!(service.refresh(&second.refresh_token).await.is_ok());
}

#[tokio::test]
async fn refresh_tokens_are_stored_only_as_hashes() {
    let (service, tokens) = logged_in("stored_hash").await;
    let stored = service.collection("refresh_tokens").find_one(doc! {}).await.unwrap().unwrap();
    assert!(!format!("{stored:?}").contains(&tokens.refresh_token));
    assert_eq!(stored.get_binary_generic("_id").unwrap().len(), 32);
}

#[tokio::test]
async fn a_token_used_twice_ends_its_session_and_no_other() {
    let (service, first) = logged_in("reuse").await;
    let other_session = service.log_in(EMAIL, PASSWORD).await.unwrap();
    let second = service.refresh(&first.refresh_token).await.unwrap();
    let third = service.refresh(&second.refresh_token).await.unwrap();
    assert_eq!(reason(&service.refresh(&first.refresh_token).await), Some(Reason::Unauthenticated));
    assert_eq!(reason(&service.refresh(&third.refresh_token).await), Some(Reason::Unauthenticated));
    let ended = doc! { "endReason": "token_reuse" };
    assert_eq!(service.collection("sessions").count_documents(ended).await.unwrap(), 1);
    assert!(service.refresh(&other_session.refresh_token).await.is_ok());
}

#[tokio::test]
async fn one_of_several_concurrent_refreshes_wins_and_the_session_ends() {
    let (service, first) = logged_in("refresh_race").await;
    let replica = service.replica().await;
    let services = [&service, &replica];
    let answered = join_all((0..8).map(|at| services[at % 2].refresh(&first.refresh_token))).await;
    let won: Vec<_> = answered.iter().filter_map(|answered| answered.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{answered:?}");
    assert!(answered.iter().filter_map(reason).all(|reason| reason == Reason::Unauthenticated), "{answered:?}");
    assert_eq!(reason(&service.refresh(&won[0].refresh_token).await), Some(Reason::Unauthenticated));
}

#[tokio::test]
async fn logging_out_ends_only_this_session_and_can_be_repeated() {
    let (service, tokens) = logged_in("logout").await;
    let other_session = service.log_in(EMAIL, PASSWORD).await.unwrap();
    log_out(&service, &tokens).await;
    log_out(&service, &tokens).await;
    assert_eq!(reason(&service.refresh(&tokens.refresh_token).await), Some(Reason::Unauthenticated));
    assert!(service.refresh(&other_session.refresh_token).await.is_ok());
}

#[tokio::test]
async fn another_users_session_cannot_be_ended() {
    let (service, tokens) = logged_in("foreign_logout").await;
    let eve = service.register("Eve", "eve@example.com").await.unwrap();
    let session_id = claims(&service, &tokens.access_token).await["sid"].as_str().unwrap().parse().unwrap();
    let caller = Caller { user_id: eve.id.parse().unwrap(), role: Role::Admin, session_id };
    let request = context(Some(caller)).request(EndSessionRequest {}).unwrap();
    answer(service.sessions.clone().end_session(request).await).unwrap();
    assert!(service.refresh(&tokens.refresh_token).await.is_ok());
    let nobody = answer(service.sessions.clone().end_session(anyone(EndSessionRequest {})).await);
    assert_eq!(reason(&nobody), Some(Reason::Unauthenticated));
}

#[tokio::test]
async fn every_invalid_refresh_token_gets_the_same_answer() {
    let (service, expired) = logged_in("refused_alike").await;
    let past = DateTime::from_millis(primitives::now().as_millisecond() - 1_000);
    let expire = doc! { "$set": { "expiresAt": past } };
    service.collection("refresh_tokens").update_many(doc! {}, expire).await.unwrap();
    let used = service.log_in(EMAIL, PASSWORD).await.unwrap();
    service.refresh(&used.refresh_token).await.unwrap();
    let ended = service.log_in(EMAIL, PASSWORD).await.unwrap();
    log_out(&service, &ended).await;
    let mut answers = Vec::new();
    for token in [&expired.refresh_token, &used.refresh_token, &ended.refresh_token, "unknown", ""] {
        answers.push(service.refresh(token).await.unwrap_err());
    }
    assert!(answers.iter().all(|answer| answer.reason() == Reason::Unauthenticated));
    let texts: Vec<String> = answers.iter().map(Error::to_string).collect();
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
}

#[tokio::test]
async fn a_refresh_reads_the_present_role() {
    let (service, tokens) = logged_in("new_role").await;
    assert_eq!(claims(&service, &tokens.access_token).await["role"], "customer");
    let promote = doc! { "$set": { "role": "admin" } };
    service.collection("users").update_one(doc! { "emailKey": EMAIL }, promote).await.unwrap();
    let tokens = service.refresh(&tokens.refresh_token).await.unwrap();
    assert_eq!(claims(&service, &tokens.access_token).await["role"], "admin");
}
