//! Leases.

use std::time::Duration;

use mongo::Lease;

use crate::{database, soon};

#[tokio::test]
async fn there_is_one_holder_at_a_time_and_another_after_a_release() {
    let db = database("lease").await;
    let mut first = Lease::new(&db, "work", Duration::from_secs(600));
    let mut second = Lease::new(&db, "work", Duration::from_secs(600));
    assert!(first.hold(soon()).await.unwrap());
    assert!(first.hold(soon()).await.unwrap());
    assert!(!second.hold(soon()).await.unwrap());
    first.release(soon()).await.unwrap();
    assert!(second.hold(soon()).await.unwrap());
    assert!(!first.hold(soon()).await.unwrap());
}

#[tokio::test]
async fn a_silent_holder_is_replaced() {
    let db = database("lease_silent").await;
    let ttl = Duration::from_millis(300);
    assert!(Lease::new(&db, "work", ttl).hold(soon()).await.unwrap());
    let mut next = Lease::new(&db, "work", ttl);
    assert!(!next.hold(soon()).await.unwrap());
    let taken_over = async {
        while !next.hold(soon()).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    soon().bound(taken_over).await.unwrap();
}

#[tokio::test]
async fn one_of_many_concurrent_holders_gets_it() {
    let db = database("lease_race").await;
    let asking = (0..16).map(|_| {
        let mut lease = Lease::new(&db, "work", Duration::from_secs(600));
        async move { lease.hold(soon()).await.unwrap() }
    });
    let held = futures::future::join_all(asking).await;
    assert_eq!(held.into_iter().filter(|held| *held).count(), 1);
}
