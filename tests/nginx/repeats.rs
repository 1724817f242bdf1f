//! Which gateway is asked, which requests are sent to a second one, and which never are.

use std::time::Duration;

use end_to_end::{Client, eventually, fresh_key};
use gateway::{Verb, endpoints};
use reqwest::Method;

use crate::fake::{Fake, Seen, Then};
use crate::front::Front;

async fn before(fakes: &[&Fake]) -> Front {
    let gateways: Vec<_> = fakes.iter().map(|fake| fake.address.clone()).collect();
    Front::start(&gateways, &[]).await
}

/// Both gateways take a request and break off, so it may have been done: each call of the API is sent again just when
/// it is safe to do it twice, though the client sends a key with all of them.
#[tokio::test]
async fn what_may_have_happened_is_sent_again_only_where_twice_is_as_good_as_once() {
    let (first, second) = (Fake::start(|_| Then::BreakOff).await, Fake::start(|_| Then::BreakOff).await);
    let front = before(&[&first, &second]).await;
    let mut keyed = 0;
    for endpoint in endpoints() {
        let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
        let path: Vec<_> =
            endpoint.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let request = front.request(method, &path.join("/")).header("Idempotency-Key", fresh_key());
        Client::send(request).await.expect_refusal(503, "UNAVAILABLE");
        let sent: Vec<_> = [first.take(), second.take()].concat();
        assert!(sent.iter().all(|seen| seen.path == path.join("/") && seen.method == endpoint.verb.as_str()));
        let is_safe = endpoint.idempotent || matches!(endpoint.verb, Verb::Get | Verb::Delete);
        let times = if is_safe { 2..=3 } else { 1..=1 };
        assert!(times.contains(&sent.len()), "{} was sent {} times", endpoint.id, sent.len());
        keyed += usize::from(endpoint.idempotent);
    }
    assert!(keyed >= 5, "the gateway has {keyed} calls with a key");
}

#[tokio::test]
async fn what_was_never_sent_goes_to_a_gateway_that_is_there() {
    let dead = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let alive = Fake::start(|_| Then::Answer(201)).await;
    let front = Front::start(&[dead, alive.address.clone()], &[]).await;
    for _ in 0..20 {
        Client::send(front.request(Method::POST, "/api/v1/users").body("{}")).await.expect_status(201);
    }
    assert_eq!(alive.take().len(), 20);
}

/// It has just started, or has too much to do.
#[tokio::test]
async fn what_a_gateway_can_not_take_another_does() {
    let (starting, ready) = (Fake::start(|_| Then::Answer(503)).await, Fake::start(|_| Then::Answer(200)).await);
    let front = before(&[&starting, &ready]).await;
    for _ in 0..50 {
        front.get("/api/v1/products").await.expect_status(200);
        let order = front.request(Method::POST, "/api/v1/orders").header("Idempotency-Key", fresh_key());
        Client::send(order).await.expect_status(200);
    }
    let asked = starting.take().len();
    assert!((2..=10).contains(&asked), "a gateway that refuses was asked {asked} times");
}

/// Both shed what browses and take what pays. Were they taken for dead because of that, payments would be refused, too.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_shed_load_go_on_with_what_they_do_not_shed() {
    let shed = |seen: &Seen| Then::Answer(if seen.method == "GET" { 503 } else { 201 });
    let (first, second) = (Fake::start(shed).await, Fake::start(shed).await);
    let front = before(&[&first, &second]).await;
    let browsing = futures::future::join_all((0..8).map(|_| async {
        for _ in 0..200 {
            let reply = front.get("/api/v1/products").await;
            // The gateway's own answer, or nginx's where there was a place for another try and nobody left to ask.
            match reply.text().as_str() {
                "{}" => drop(reply.expect_status(503)),
                _ => drop(reply.expect_refusal(503, "OVERLOADED")),
            }
        }
    }));
    let paying = async {
        for _ in 0..200 {
            let path = "/api/v1/orders/x/payments";
            let request = front.request(Method::POST, path).header("Idempotency-Key", fresh_key());
            Client::send(request).await.expect_status(201);
        }
    };
    let both = futures::future::join(browsing, paying);
    tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
}

/// Reads, and what may not be sent twice: each has its own list of the gateways.
#[tokio::test]
async fn a_gateway_that_has_more_under_way_is_left_to_that() {
    const REQUESTS: usize = 40;
    let behave = |seen: &Seen| if seen.path.ends_with("/slow") { Then::Hang } else { Then::Answer(200) };
    let fakes = [Fake::start(behave).await, Fake::start(behave).await];
    let front = before(&fakes.each_ref()).await;
    for method in [Method::GET, Method::POST] {
        let slow = Client::send(front.request(method.clone(), "/api/v1/slow"));
        let others = async {
            let mut busy = None;
            eventually("one is busy", async || {
                busy = fakes.iter().position(|fake| !fake.take().is_empty());
                busy.is_some()
            })
            .await;
            for _ in 0..REQUESTS {
                Client::send(front.request(method.clone(), "/api/v1/users")).await.expect_status(200);
            }
            fakes[busy.unwrap()].take().len()
        };
        let asked = tokio::select! {
            reply = slow => panic!("{method} was answered: {reply:?}"),
            asked = others => asked,
        };
        assert!(asked < REQUESTS / 4, "{asked} of {REQUESTS} {method} were sent to the one that is busy");
        for fake in &fakes {
            fake.take();
        }
    }
}
