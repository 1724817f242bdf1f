//! Graceful shutdown, and slow clients.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::fake::{Answer, ORDER_ID};
use crate::support::{Gateway, PATIENCE, tokens};

#[tokio::test]
async fn a_request_in_flight_completes_before_shutdown() {
    let gateway = Gateway::start_with(json!({ "deadlines": { "default_ms": 1000 } })).await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let order = gateway.get(&format!("/api/v1/orders/{ORDER_ID}")).bearer_auth(tokens::customer()).send();
    let stop = async {
        gateway.wait_until(|_| !gateway.fake.asked().is_empty()).await;
        gateway.shell.stop();
    };
    let (response, ()) = futures::join!(order, stop);
    assert_eq!(response.unwrap().status(), 504); // a response, not a closed connection
    let refused = async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the port is still open");
}

#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/healthz").send().await.unwrap().status(), 200);
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut buffer = [0; 4096];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    gateway.shell.stop();
    let closed = async { while idle.read(&mut buffer).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the idle connection is still open");
}

#[tokio::test]
async fn a_slow_request_times_out() {
    let changes = json!({ "http": { "client_request_timeout_ms": 1500 }, "deadlines": { "default_ms": 300 } });
    let gateway = Gateway::start_with(changes).await;
    let mut head = TcpStream::connect(gateway.address).await.unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, head.read_to_string(&mut answer)).await.expect("the head may take forever").ok();
    let mut body = TcpStream::connect(gateway.address).await.unwrap();
    let request = "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\nConnection: close\r\n\r\n{";
    body.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, body.read_to_string(&mut answer)).await.expect("the body may take forever").ok();
    assert!(answer.contains("DEADLINE_EXCEEDED"), "{answer}");
}
