//! What nginx answers and adds itself.

use std::net::{IpAddr, Ipv4Addr};

use end_to_end::{Client, Reply, eventually};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{Fake, Then};
use crate::front::Front;

async fn before_a_fake(settings: &[(&str, &str)]) -> (Front, Fake) {
    let fake = Fake::start(|_| Then::Answer(200)).await;
    (Front::start(std::slice::from_ref(&fake.address), settings).await, fake)
}

#[tokio::test]
async fn its_own_refusals_have_the_envelope_and_tell_no_version() {
    let (front, fake) = before_a_fake(&[]).await;
    let most = 1024 * 1024;
    let post = |length| front.request(Method::POST, "/api/v1/orders").body(vec![b' '; length]);
    assert_eq!(Client::send(post(most)).await.status, StatusCode::OK);
    let refused = [
        (Client::send(post(most + 1)).await, 413, "BODY_TOO_LARGE"),
        (front.get(&format!("/{}", "a".repeat(20_000))).await, 400, "VALIDATION_FAILED"),
        (Client::send(front.request(Method::GET, "/").header("x", "a".repeat(20_000))).await, 400, "VALIDATION_FAILED"),
        (Client::send(front.request(Method::TRACE, "/")).await, 405, "METHOD_NOT_ALLOWED"),
        (front.get("/-/503").await, 404, "NOT_FOUND"),
        (no_http(&front).await, 400, "VALIDATION_FAILED"),
    ];
    for (reply, status, reason) in refused {
        assert_eq!(reply.header("content-type"), Some("application/json"), "{}", reply.text());
        assert_eq!(reply.header("server"), Some("nginx"));
        reply.expect_refusal(status, reason);
    }
    assert_eq!(fake.take().len(), 1);
}

/// The answer to something that is no HTTP, read as if it had been.
async fn no_http(front: &Front) -> Reply {
    let mut connection = TcpStream::connect(&front.address).await.unwrap();
    connection.write_all(b"HELO there\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Reply { status, headers, bytes: body.into() }
}

#[tokio::test]
async fn a_flood_from_one_address_is_refused() {
    let (front, _fake) = before_a_fake(&[("FRONT_CLIENT_RATE", "5")]).await;
    let mut refused = 0;
    for _ in 0..20 {
        let reply = front.get("/api/v1/products").await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(reply.header("retry-after"), Some("1"));
            reply.expect_refusal(429, "RATE_LIMITED");
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_gateway_that_never_answers_costs_the_deadline_and_no_more() {
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front::start(&[silent.local_addr().unwrap().to_string()], &[]).await;
    let began = std::time::Instant::now();
    front.get("/api/v1/products").await.expect_refusal(504, "DEADLINE_EXCEEDED");
    assert!((8..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// The addresses that a gateway with `trusted_proxy_hops = 1` goes by.
#[tokio::test]
async fn what_a_client_says_of_its_address_is_not_believed_but_what_a_balancer_says_is() {
    let (front, fake) = before_a_fake(&[("FRONT_BALANCERS", "127.0.0.2/32")]).await;
    let send = async |from: Ipv4Addr, forwarded: &str| {
        let http = reqwest::Client::builder().local_address(IpAddr::V4(from)).build().unwrap();
        let request = http.get(format!("http://{}/", front.address)).header("X-Forwarded-For", forwarded);
        assert_eq!(Client::send(request).await.status, StatusCode::OK);
        fake.take().pop().unwrap().headers["x-forwarded-for"].clone()
    };
    let (client, balancer) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(send(client, "203.0.113.9").await, "127.0.0.1");
    assert_eq!(send(balancer, "203.0.113.9").await, "203.0.113.9");
    assert_eq!(send(balancer, "198.51.100.1, 203.0.113.9").await, "203.0.113.9");
}

#[tokio::test]
async fn a_request_has_the_clients_id_if_that_is_plain_or_else_a_new_one() {
    let (front, fake) = before_a_fake(&[]).await;
    let long = "a".repeat(129);
    for (given, is_kept) in [("order-17/a:b", true), ("a\"b", false), ("a\\b", false), ("a b", false), (&long, false)] {
        let request = front.request(Method::GET, "/api/v1/users/somebody").header("X-Request-Id", given);
        Client::send(request).await.expect_status(200);
        let id = fake.take().pop().unwrap().headers["x-request-id"].clone();
        assert_eq!(id == given, is_kept, "{given} became {id}");
        eventually("a line", async || front.log().contains(&format!("\"request_id\":\"{id}\""))).await;
        let refused = front.request(Method::TRACE, "/").header("X-Request-Id", given);
        let reply = Client::send(refused).await.expect_refusal(405, "METHOD_NOT_ALLOWED");
        assert_eq!(reply.header("x-request-id") == Some(given), is_kept);
    }
    eventually("the last line", async || front.log().matches(r#""status":"405""#).count() == 5).await;
    let log = front.log();
    assert!(!log.contains("somebody"), "the log has a path with somebody's id in it: {log}");
    let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((line["method"].as_str(), line["status"].as_str()), (Some("TRACE"), Some("405")));
}
