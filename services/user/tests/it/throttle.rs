//! Failed logins are limited, and the limit reveals nothing about accounts.

use std::net::IpAddr;

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;

use crate::support::{PASSWORD, Service, eventually, reason};

const EMAIL: &str = "ada@example.com";

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

async fn with_user(test: &str, sections: &str) -> Service {
    let service = Service::start_with(test, sections).await;
    service.register("Ada", EMAIL).await.unwrap();
    service
}

#[tokio::test]
async fn the_limit_is_the_same_whether_the_account_exists_or_not() {
    let service = with_user("alike", "[throttle]\naccount_limit = 3\n").await;
    let mut answers = Vec::new();
    for email in [EMAIL, "nobody@example.com"] {
        let mut texts = Vec::new();
        for _ in 0..5 {
            let refused = service.log_in(email, "wrong password").await.unwrap_err();
            let rest_seconds = refused.retry_after_seconds();
            assert!(rest_seconds.is_none_or(|rest| (890..=900).contains(&rest)), "{rest_seconds:?}");
            texts.push((refused.to_string(), rest_seconds.is_some()));
        }
        answers.push(texts);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0][..3].iter().all(|(text, _)| text.starts_with("BAD_CREDENTIALS")), "{answers:?}");
    assert!(answers[0][3..].iter().all(|(text, rest)| text.starts_with("RATE_LIMITED") && *rest), "{answers:?}");
    let right = service.log_in("Ada@Example.com", PASSWORD).await;
    assert_eq!(reason(&right), Some(Reason::RateLimited), "not even the right password is checked");
}

#[tokio::test]
async fn concurrent_attempts_do_not_exceed_the_limit() {
    let service = with_user("at_once", "[throttle]\naccount_limit = 5\n").await;
    let replica = service.replica().await;
    let services = [&service, &replica];
    let attempts = (0..24).map(|at| services[at % 2].log_in(EMAIL, "wrong password"));
    let reasons: Vec<_> = join_all(attempts).await.iter().filter_map(reason).collect();
    let count = |wanted| reasons.iter().filter(|reason| **reason == wanted).count();
    assert_eq!((count(Reason::BadCredentials), count(Reason::RateLimited)), (5, 19), "{reasons:?}");
}

#[tokio::test]
async fn a_success_clears_the_failures_of_the_account() {
    let service = with_user("forget", "[throttle]\naccount_limit = 3\n").await;
    for _ in 0..3 {
        for _ in 0..2 {
            assert_eq!(reason(&service.log_in(EMAIL, "wrong password").await), Some(Reason::BadCredentials));
        }
        assert!(service.log_in(EMAIL, PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn an_address_is_limited_over_all_accounts_by_its_failures() {
    let service = with_user("address", "[throttle]\naddress_limit = 4\n").await;
    for _ in 0..10 {
        assert!(service.log_in_from(address(1), EMAIL, PASSWORD).await.is_ok(), "successes do not count");
    }
    for account in 0..4 {
        let failed = service.log_in_from(address(1), &format!("user{account}@example.com"), PASSWORD).await;
        assert_eq!(reason(&failed), Some(Reason::BadCredentials));
    }
    let refused = service.log_in_from(address(1), EMAIL, PASSWORD).await;
    assert_eq!(reason(&refused), Some(Reason::RateLimited));
    assert!(service.log_in_from(address(2), EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_refused_address_cannot_lock_accounts() {
    let service = with_user("lock", "[throttle]\naddress_limit = 1\naccount_limit = 2\n").await;
    for _ in 0..6 {
        assert!(service.log_in_from(address(1), EMAIL, "wrong password").await.is_err());
    }
    assert!(service.log_in_from(address(2), EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn the_limit_ends_with_its_window() {
    let service = with_user("window", "[throttle]\naccount_limit = 1\naccount_window_seconds = 1\n").await;
    assert_eq!(reason(&service.log_in(EMAIL, "wrong password").await), Some(Reason::BadCredentials));
    eventually("the account is open again", || async { service.log_in(EMAIL, PASSWORD).await.is_ok() }).await;
}

#[tokio::test]
async fn an_attempt_that_was_not_checked_is_not_counted() {
    // One slow hash at a time and no queue: while one runs, every login is refused as overloaded.
    let slow = "[passwords]\nmemory_kib = 8192\niterations = 40\nconcurrency = 1\nqueue = 0\n";
    let service = with_user("overload", &format!("{slow}[throttle]\naccount_limit = 1000\n")).await;
    let attempts = join_all((0..16).map(|_| service.log_in(EMAIL, "wrong password"))).await;
    let checked = attempts.iter().filter(|attempt| reason(attempt) == Some(Reason::BadCredentials)).count();
    let overloaded = attempts.iter().filter(|attempt| reason(attempt) == Some(Reason::Overloaded)).count();
    assert!(checked >= 1 && overloaded >= 1 && checked + overloaded == 16, "{attempts:?}");
    assert!(
        attempts
            .iter()
            .filter(|attempt| reason(attempt) == Some(Reason::Overloaded))
            .all(|attempt| { attempt.as_ref().is_err_and(|error| error.retry_after().is_some()) })
    );
    let account = doc! { "_id": { "$regex": "^account " } };
    let counter = service.collection("login_throttle").find_one(account).await.unwrap().unwrap();
    assert_eq!(counter.get_i64("attempts").unwrap(), i64::try_from(checked).unwrap());
    assert!(!format!("{counter}").contains("ada"), "the email must not be stored in plain text: {counter}");
}
