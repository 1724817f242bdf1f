//! The broker, whichever the test run has: `make test-kafka` runs these against Apache Kafka.

use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, BrokerKind, Progress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOUND: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// Kafka's API keys of two requests.
const METADATA: i16 = 3;
const CREATE_TOPICS: i16 = 19;

#[tokio::test]
async fn a_killed_broker_restarts_with_the_topics_that_it_keeps_on_disk() {
    let scratch = Scratch::create().unwrap();
    let backing = start(&scratch).await;
    create_topic(&backing.broker(), "things").await;
    assert!(has_topic(&backing.broker(), "things").await);

    backing.broker_process().kill9().await.unwrap();
    assert!(!backing.broker_process().is_running());
    backing.start_broker_again(BOUND).await.unwrap();
    assert_eq!(has_topic(&backing.broker(), "things").await, keeps(backing.broker_kind()));
    backing.stop().await.unwrap();
}

#[tokio::test]
async fn topics_survive_a_stop_and_a_change_of_the_port() {
    let scratch = Scratch::create().unwrap();
    let backing = start(&scratch).await;
    create_topic(&backing.broker(), "things").await;
    let port = backing.broker_port();
    backing.stop().await.unwrap();

    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let backing = start(&scratch).await;
    assert_ne!(backing.broker_port(), port);
    assert_eq!(has_topic(&backing.broker(), "things").await, keeps(backing.broker_kind()));
    drop(taken);
    backing.stop().await.unwrap();
}

#[tokio::test]
async fn only_tansu_creates_a_topic_on_a_metadata_request() {
    let backing = devstack::testing::backing().await;
    let name = devstack::testing::database_name("asked_about");
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend(text(&name));
    ask(backing.broker(), METADATA, 1, &body).await;
    let made = has_topic(backing.broker(), &name).await;
    assert_eq!(made, backing.connection().broker_kind == BrokerKind::Tansu);
}

async fn start(scratch: &Scratch) -> Backing {
    Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await.unwrap()
}

/// Whether a broker of this kind keeps its data on disk.
fn keeps(kind: BrokerKind) -> bool {
    match kind {
        BrokerKind::Tansu => false,
        BrokerKind::Kafka => true,
    }
}

async fn create_topic(broker: &str, name: &str) {
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend(text(name));
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(1_i16.to_be_bytes()); // replicas
    body.extend([0; 8]); // no assignments, no settings
    body.extend(10_000_i32.to_be_bytes()); // milliseconds
    body.push(0); // for real
    let answer = ask(broker, CREATE_TOPICS, 2, &body).await;
    // The throttle time, the number of topics, the name; then its error code, which is 0.
    assert_eq!(answer[4 + 4 + 2 + name.len()..][..2], [0, 0], "{answer:?}");
}

/// Searches the list of all topics, since a request for one by its name creates it on Tansu.
async fn has_topic(broker: &str, name: &str) -> bool {
    let all = (-1_i32).to_be_bytes();
    let answer = ask(broker, METADATA, 1, &all).await;
    answer.windows(name.len() + 2).any(|part| part == text(name))
}

/// Sends one request and returns the answer without its correlation id.
async fn ask(broker: &str, request: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut message = [request.to_be_bytes(), version.to_be_bytes()].concat();
    message.extend(1_i32.to_be_bytes());
    message.extend(text("devstack"));
    message.extend(body);
    let asking = async {
        let mut stream = TcpStream::connect(broker).await.unwrap();
        stream.write_all(&u32::try_from(message.len()).unwrap().to_be_bytes()).await.unwrap();
        stream.write_all(&message).await.unwrap();
        let length = usize::try_from(stream.read_u32().await.unwrap()).unwrap();
        assert!(length < ANSWER_LIMIT_BYTES);
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.unwrap();
        answer.split_off(4)
    };
    tokio::time::timeout(BOUND, asking).await.unwrap()
}

/// A string in Kafka's encoding: its length, then its bytes.
fn text(text: &str) -> Vec<u8> {
    [&i16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}
