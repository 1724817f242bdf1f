//! The replica set and the broker.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, Progress};
use mongodb::Client;
use mongodb::bson::doc;

use super::{count, insert};

const BOUND: Duration = Duration::from_secs(60);

async fn start(scratch: &Scratch) -> Backing {
    Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await.unwrap()
}

async fn client(backing: &Backing) -> Client {
    Client::with_uri_str(backing.mongo_uri()).await.unwrap()
}

#[tokio::test]
async fn writes_continue_on_a_new_primary_when_the_primary_is_killed() {
    let scratch = Scratch::create().unwrap();
    let backing = start(&scratch).await;
    let client = client(&backing).await;
    insert(&client, 1).await.unwrap();

    let old = backing.primary_index().await.unwrap();
    let killed = Instant::now();
    backing.mongod(old).process().kill9().await.unwrap();
    let new = backing.wait_for_primary(BOUND).await.unwrap();
    assert_ne!(old, new);
    insert(&client, 2).await.unwrap();
    println!("writes were possible again {:?} after the kill", killed.elapsed());
    assert_eq!(count(&client).await, 2);

    backing.mongod(old).process().start_again().unwrap();
    backing.wait_until_healthy(BOUND).await.unwrap();
    insert(&client, 3).await.unwrap();
    backing.stop().await.unwrap();
}

#[tokio::test]
async fn data_survives_a_clean_stop_a_power_cut_and_taken_ports() {
    let scratch = Scratch::create().unwrap();
    let backing = start(&scratch).await;
    let uri = backing.mongo_uri();
    insert(&client(&backing).await, 1).await.unwrap();
    backing.stop().await.unwrap();

    let backing = start(&scratch).await;
    assert_eq!(backing.mongo_uri(), uri, "free ports are used again");
    insert(&client(&backing).await, 2).await.unwrap();
    backing.kill9().await.unwrap();
    let port = backing.mongod(1).port();
    drop(backing);

    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let backing = start(&scratch).await;
    assert_ne!(backing.mongod(1).port(), port);
    let client = client(&backing).await;
    insert(&client, 3).await.unwrap();
    assert_eq!(count(&client).await, 3);
    drop(taken);
    backing.stop().await.unwrap();
}

#[tokio::test]
async fn all_members_move_when_all_ports_are_taken() {
    let scratch = Scratch::create().unwrap();
    let backing = start(&scratch).await;
    insert(&client(&backing).await, 1).await.unwrap();
    let ports: Vec<u16> = backing.mongods().iter().map(devstack::backing::MongoNode::port).collect();
    backing.stop().await.unwrap();

    let taken: Vec<_> = ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
    let backing = start(&scratch).await;
    let client = client(&backing).await;
    insert(&client, 2).await.unwrap();
    assert_eq!(count(&client).await, 2);
    drop(taken);
    backing.stop().await.unwrap();
}

#[tokio::test]
async fn two_backings_run_in_parallel() {
    let (first_dir, second_dir) = (Scratch::create().unwrap(), Scratch::create().unwrap());
    let (first, second) = futures::join!(start(&first_dir), start(&second_dir));
    insert(&client(&first).await, 1).await.unwrap();
    assert_eq!(count(&client(&second).await).await, 0);
    assert_ne!(first.broker(), second.broker());

    first.stop().await.unwrap();
    insert(&client(&second).await, 1).await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test]
async fn fail_points_can_be_set_on_a_test_stack() {
    let shared = devstack::testing::backing().await;
    let client = Client::with_uri_str(shared.mongo_uri()).await.unwrap();
    let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    client.database("admin").run_command(off).await.unwrap();
    assert!(shared.broker().starts_with("127.0.0.1:"));
}
