//! Whole calls on a paused clock: retries, time-outs, refusals, hedges and fallbacks.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use envelope::{Error, Reason};
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::breaker::WindowConfig;
use crate::failure::{Failure, Safety};
use crate::fallback::Answer;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn policy(change: impl FnOnce(&mut PolicyConfig)) -> Policy {
    let mut config = PolicyConfig::default();
    change(&mut config);
    Policy::new("peer", &config)
}

fn soon() -> Deadline {
    Deadline::after(10 * SECOND)
}

fn failed(reason: Reason) -> Result<u32, Failure> {
    Err(Error::new(reason, "text").into())
}

/// Makes a call whose attempts end with `ends`, the last one repeatedly; returns the answer and the number of attempts.
async fn run(policy: &Policy, safety: Safety, ends: &[Result<u32, Reason>]) -> (Result<u32, Reason>, u32) {
    let made = Cell::new(0);
    let answer = policy.call(soon()).safety(safety).run(|attempt| {
        made.set(attempt.number);
        let position = usize::try_from(attempt.number - 1).unwrap().min(ends.len() - 1);
        let end = ends[position];
        async move { end.or_else(failed) }
    });
    (answer.await.map_err(|error| error.reason()), made.get())
}

#[tokio::test(start_paused = true)]
async fn only_safe_failures_are_retried() {
    use Reason::{IdempotencyInFlight, Internal, NotFound, Overloaded, Unavailable};
    use Safety::{Fenced, Idempotent, Once, Read};
    type Ends = &'static [Result<u32, Reason>];
    let cases: [(Safety, Ends, Result<u32, Reason>, u32); 16] = [
        (Once, &[Ok(1)], Ok(1), 1),
        (Once, &[Err(Unavailable), Ok(2)], Err(Unavailable), 1),
        (Once, &[Err(Overloaded), Ok(2)], Ok(2), 2),
        (Idempotent, &[Err(Unavailable), Err(Internal), Ok(3)], Ok(3), 3),
        (Idempotent, &[Err(Unavailable)], Err(Unavailable), 3),
        (Idempotent, &[Err(NotFound), Ok(2)], Err(NotFound), 1),
        (Idempotent, &[Err(IdempotencyInFlight), Ok(2)], Err(IdempotencyInFlight), 1),
        (Idempotent, &[Err(Unavailable), Err(IdempotencyInFlight), Ok(3)], Ok(3), 3),
        (Idempotent, &[Err(Unavailable), Err(IdempotencyInFlight)], Err(Unavailable), 3),
        (Once, &[Err(Overloaded), Err(IdempotencyInFlight)], Err(IdempotencyInFlight), 2),
        // A refusal says nothing of an earlier attempt that may have taken effect, unless that was made impossible.
        (Idempotent, &[Err(Unavailable), Err(NotFound)], Err(Unavailable), 2),
        (Idempotent, &[Err(Internal), Err(Overloaded), Err(NotFound)], Err(Internal), 2),
        (Fenced, &[Err(Internal), Err(Overloaded), Err(NotFound)], Err(Internal), 2),
        (Idempotent, &[Err(Overloaded), Err(NotFound)], Err(NotFound), 2),
        (Fenced, &[Err(Unavailable), Err(NotFound)], Err(NotFound), 2),
        (Read, &[Err(Unavailable), Err(NotFound)], Err(NotFound), 2),
    ];
    for (safety, ends, expected, attempts) in cases {
        assert_eq!(run(&policy(|_| {}), safety, ends).await, (expected, attempts), "{safety:?} {ends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_pause_extends_beyond_the_deadline() {
    let policy = policy(|_| {});
    let began = Instant::now();
    let call = policy.call(Deadline::after(SECOND));
    let error = call.run(|_| async {
        let limited = Error::new(Reason::RateLimited, "text").with_retry_after(1_100 * MS);
        Err::<(), _>(Failure::from(limited))
    });
    assert_eq!(error.await.unwrap_err().reason(), Reason::RateLimited);
    assert_eq!(began.elapsed(), Duration::ZERO);
    let error = policy.call(Deadline::after(Duration::ZERO)).run(|_| async { failed(Reason::Internal) });
    assert_eq!(error.await.unwrap_err().reason(), Reason::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn attempts_and_the_call_time_out() {
    let policy = policy(|_| {});
    let began = Instant::now();
    let call = policy.call(Deadline::after(5 * SECOND)).safety(Safety::Idempotent);
    let answer = call.attempt_timeout(SECOND).run(|attempt| async move {
        assert!(attempt.deadline.remaining().unwrap() <= SECOND);
        if attempt.number == 1 { pending().await } else { Ok(attempt.number) }
    });
    assert_eq!(answer.await.unwrap(), 2);
    assert!(began.elapsed() >= SECOND && began.elapsed() < 1_100 * MS);
    let began = Instant::now();
    let call = policy.call(Deadline::after(1_500 * MS)).safety(Safety::Idempotent);
    let error = call.attempt_timeout(Duration::MAX).run(|_| pending::<Result<(), _>>()).await.unwrap_err();
    assert_eq!((error.reason(), began.elapsed()), (Reason::DeadlineExceeded, 1_500 * MS));
    // The failure before the last attempt is kept as the source, for the log.
    let call = policy.call(Deadline::after(SECOND)).safety(Safety::Idempotent);
    let error =
        call.run(|attempt| async move { if attempt.number == 1 { failed(Reason::Internal) } else { pending().await } });
    let error = error.await.unwrap_err();
    assert_eq!(error.reason(), Reason::DeadlineExceeded);
    assert!(std::error::Error::source(&error).unwrap().to_string().starts_with("INTERNAL"));
    let error = policy.call(soon()).attempt_timeout(SECOND).run(|_| pending::<Result<(), _>>()).await;
    assert_eq!(error.unwrap_err().reason(), Reason::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn retries_of_all_calls_share_a_budget() {
    let policy = policy(|config| config.breaker.enabled = false);
    let mut attempts = 0;
    for _ in 0..1_000 {
        attempts += run(&policy, Safety::Idempotent, &[Err(Reason::Unavailable)]).await.1;
    }
    // The pauses take time, during which the floor grows.
    assert!(attempts > 1_000 && attempts <= 1_000 + 200 + 60, "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_counts_whole_calls() {
    let policy = policy(|config| {
        config.breaker.min_calls = 10;
        config.breaker.window = WindowConfig::Calls(10);
        config.retry.budget_floor_per_second = 1_000;
    });
    // A call that succeeds in the end is a success.
    for _ in 0..20 {
        let ends = [Err(Reason::Unavailable), Ok(2)];
        assert_eq!(run(&policy, Safety::Idempotent, &ends).await, (Ok(2), 2));
    }
    for _ in 0..7 {
        assert!(policy.is_closed());
        assert_eq!(run(&policy, Safety::Once, &[Err(Reason::Internal)]).await.0, Err(Reason::Internal));
    }
    assert!(!policy.is_closed());
    assert_eq!(run(&policy, Safety::Idempotent, &[Ok(1)]).await, (Err(Reason::Unavailable), 0));
    advance(5 * SECOND).await;
    for _ in 0..5 {
        assert_eq!(run(&policy, Safety::Once, &[Err(Reason::NotFound)]).await.1, 1);
    }
    assert!(policy.is_closed());
    assert_eq!(run(&policy, Safety::Once, &[Ok(1)]).await.0, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn short_deadlines_do_not_open_the_breaker_and_a_silent_peer_does() {
    let policy = policy(|_| {});
    for (time, expected) in [(10 * MS, Reason::DeadlineExceeded), (SECOND, Reason::Unavailable)] {
        let call = || policy.call(Deadline::after(time)).run(|_| pending::<Result<(), _>>());
        futures::future::join_all((0..40).map(|_| call())).await;
        let error = policy.call(Deadline::after(time)).run(|_| pending::<Result<(), _>>()).await;
        assert_eq!(error.unwrap_err().reason(), expected);
    }
    // A peer that reports a timeout although it had time.
    let policy = self::policy(|_| {});
    for _ in 0..10 {
        let (answer, _) = run(&policy, Safety::Once, &[Err(Reason::DeadlineExceeded)]).await;
        assert_eq!(answer, Err(Reason::DeadlineExceeded));
    }
    assert_eq!(run(&policy, Safety::Once, &[Ok(1)]).await.0, Err(Reason::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_call_holds_one_permit_until_it_ends_or_is_dropped() {
    let policy = policy(|config| {
        config.bulkhead.max_in_flight = 1;
        config.bulkhead.max_waiting = 0;
    });
    let mut held = Box::pin(policy.call(soon()).run(|_| pending::<Result<(), _>>()));
    assert!(futures::poll!(&mut held).is_pending());
    assert_eq!(run(&policy, Safety::Once, &[Ok(1)]).await.0, Err(Reason::Overloaded));
    drop(held);
    // If a replica sheds load, one other replica is asked, and no third.
    let ends = [Err(Reason::Overloaded), Ok(2)];
    assert_eq!(run(&policy, Safety::Once, &ends).await, (Ok(2), 2));
    let ends = [Err(Reason::Overloaded), Err(Reason::Overloaded), Ok(3)];
    assert_eq!(run(&policy, Safety::Once, &ends).await, (Err(Reason::Overloaded), 2));
}

/// A policy that has recorded latencies of 10 ms.
async fn warm(change: impl FnOnce(&mut PolicyConfig)) -> Policy {
    let policy = policy(change);
    for _ in 0..64 {
        hedged(&policy, [10, 10]).await.0.unwrap();
    }
    policy
}

/// Makes a read whose attempts take these milliseconds, and fail if the number is odd; returns the time of the
/// successful attempt, the number of attempts, and the total time.
async fn hedged(policy: &Policy, times: [u64; 2]) -> (Result<u64, Reason>, u32, Duration) {
    let (made, began) = (Cell::new(0), Instant::now());
    let answer = policy.call(soon()).safety(Safety::Read).hedged().run(|attempt| {
        made.set(attempt.number);
        let time = times[usize::from(attempt.number == 2)];
        async move {
            sleep(Duration::from_millis(time)).await;
            if time.is_multiple_of(2) { Ok(time) } else { failed(Reason::Internal).map(u64::from) }
        }
    });
    (answer.await.map_err(|error| error.reason()), made.get(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_is_hedged_and_the_first_success_wins() {
    let policy = warm(|_| {}).await;
    assert_eq!(hedged(&policy, [8, 20]).await, (Ok(8), 1, 8 * MS));
    assert_eq!(hedged(&policy, [900, 20]).await, (Ok(20), 2, 30 * MS));
    assert_eq!(hedged(&policy, [30, 100]).await, (Ok(30), 2, 30 * MS));
    // A retry is not hedged.
    assert_eq!(hedged(&policy, [7, 900]).await.1, 2);
    // After one failure the other attempt decides; two failures are one failed call.
    assert_eq!(hedged(&policy, [900, 11]).await, (Ok(900), 2, 900 * MS));
    assert_eq!(hedged(&policy, [21, 100]).await, (Ok(100), 2, 110 * MS));
    let policy = warm(|config| config.retry.max_attempts = 2).await;
    assert_eq!(hedged(&policy, [21, 101]).await, (Err(Reason::Internal), 2, 111 * MS));
}

#[tokio::test(start_paused = true)]
async fn hedges_leave_half_of_the_budget() {
    let policy = warm(|config| config.retry.budget_floor_per_second = 0).await;
    // Too few to recompute the percentile.
    let mut hedges = 0;
    for _ in 0..15 {
        hedges += hedged(&policy, [900, 10]).await.1 - 1;
    }
    assert!((6..=7).contains(&hedges), "{hedges}");
    let mut retries = 0;
    for _ in 0..100 {
        retries += run(&policy, Safety::Idempotent, &[Err(Reason::Overloaded), Ok(2)]).await.1 - 1;
    }
    assert!(retries >= 20, "{retries}");
}

#[tokio::test(start_paused = true)]
async fn the_delay_adapts_to_a_slower_peer_although_hedges_win() {
    let policy = warm(|_| {}).await;
    assert_eq!(policy.shared.hedge.delay(), Some(10 * MS));
    for _ in 0..16 {
        assert_eq!(hedged(&policy, [900, 10]).await.1, 2);
    }
    assert!(policy.shared.hedge.delay() > Some(10 * MS));
}

#[tokio::test(start_paused = true)]
async fn writes_are_never_hedged() {
    let policy = warm(|_| {}).await;
    let numbers = RefCell::new(Vec::new());
    let call = policy.call(soon()).hedged();
    call.run(|attempt| {
        numbers.borrow_mut().push(attempt.number);
        async {
            sleep(SECOND).await;
            Ok(())
        }
    })
    .await
    .unwrap();
    assert_eq!(numbers.into_inner(), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_replaces_missing_answers_but_not_refusals() {
    let policy = policy(|_| {});
    for (reason, expected) in [
        (Reason::Unavailable, Ok(Answer { value: 7, degraded: true })),
        (Reason::DeadlineExceeded, Ok(Answer { value: 7, degraded: true })),
        (Reason::RateLimited, Ok(Answer { value: 7, degraded: true })),
        (Reason::NotFound, Err(Reason::NotFound)),
    ] {
        let answer = policy.call(soon()).run_or(
            |_| async move { failed(reason) },
            |error| async move {
                assert_eq!(error.reason(), reason);
                Ok(7)
            },
        );
        assert_eq!(answer.await.map_err(|error| error.reason()), expected);
    }
    let answer = policy.call(soon()).run_or(|_| async { Ok(1) }, |error| async { Err(error) });
    assert_eq!(answer.await.unwrap(), Answer { value: 1, degraded: false });
}

#[test]
fn values_out_of_bounds_do_not_load() {
    let load = serde_json::from_str::<PolicyConfig>;
    assert_eq!(load("{}").unwrap(), PolicyConfig::default());
    let config = load(r#"{"attempt_timeout_ms": 5, "breaker": {"window": {"calls": 50}}}"#).unwrap();
    assert_eq!(config.breaker.window, WindowConfig::Calls(50));
    for bad in [
        r#"{"attempt_timeout_ms": 0}"#,
        r#"{"retries": {}}"#,
        r#"{"retry": {"max_attempts": 11}}"#,
        r#"{"retry": {"base_ms": -1}}"#,
        r#"{"breaker": {"failure_percent": 101}}"#,
        r#"{"breaker": {"window": {"seconds": 0}}}"#,
        r#"{"breaker": {"window": {"minutes": 1}}}"#,
        r#"{"bulkhead": {"max_in_flight": 0}}"#,
        r#"{"hedge": {"percentile": 100}}"#,
    ] {
        assert!(load(bad).is_err(), "{bad}");
    }
}

/// Calls run in tasks of a multi-threaded runtime.
#[test]
fn calls_can_be_sent_to_other_threads() {
    fn sent<T: Send>(_: T) {}
    let policy = policy(|_| {});
    sent(policy.call(Deadline::after(SECOND)).run(|_| async { failed(Reason::Internal) }));
}
