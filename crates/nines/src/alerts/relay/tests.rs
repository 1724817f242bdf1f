//! The relay between a real client and a robot on a real port.

use std::path::Path;
use std::sync::Mutex;

use axum::extract::RawQuery;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;

const SECRET: &str = "SEC-of-the-test";
const TOKEN: &str = "token-of-the-test";

/// The requests to the robot: the query of the address, and the message.
type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// A robot that always gives the same answer, or never answers.
async fn robot(answer: Option<Value>, tasks: &mut JoinSet<()>) -> (String, Received) {
    let received = Received::default();
    let kept = Arc::clone(&received);
    let handler = post(move |RawQuery(query): RawQuery, body: axum::Json<Value>| async move {
        kept.lock().unwrap().push((query.unwrap_or_default(), body.0));
        match answer {
            Some(answer) => axum::Json(answer),
            None => std::future::pending().await,
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(listener, Router::new().route("/send", handler)).await.unwrap() });
    (format!("http://{address}/send?access_token=of-the-robot"), received)
}

/// Starts a relay to that robot, and gives its address.
async fn relay(robot: &str, folder: &Path, tasks: &mut JoinSet<()>) -> String {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        Some(path)
    };
    let command = RelayAlerts {
        listen: "127.0.0.1:0".parse().unwrap(),
        to_file: file("robot", robot),
        to: None,
        secret_file: file("secret", SECRET),
        token_file: file("token", TOKEN),
        timeout_ms: 300,
    };
    let relay = command.relay().unwrap();
    let shown = format!("{relay:?} {command:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(TOKEN) && !shown.contains("of-the-robot"), "{shown}");
    let listener = TcpListener::bind(command.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { serve(listener, relay).await.unwrap() });
    format!("http://{address}/dingtalk")
}

fn notification() -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "pages", "externalURL": "http://x",
        "groupLabels": {"alertname": "OrdersFail"}, "commonLabels": {}, "commonAnnotations": {},
        "alerts": [{
            "status": "firing", "startsAt": "2026-11-25T08:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://y", "fingerprint": "z",
            "labels": {"alertname": "OrdersFail", "severity": "page"},
            "annotations": {"summary": "Orders can't be placed"}
        }]
    })
}

async fn post_to(relay: &str, token: &str, body: impl Into<reqwest::Body>) -> StatusCode {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let request = client.post(relay).header("Authorization", format!("Bearer {token}"));
    let answer = request.header("Content-Type", "application/json").body(body).send().await.unwrap();
    StatusCode::from_u16(answer.status().as_u16()).unwrap()
}

#[tokio::test]
async fn a_notification_is_forwarded_with_a_signature() {
    let (mut tasks, folder) = (JoinSet::new(), tempfile::tempdir().unwrap());
    let (robot, received) = robot(Some(json!({"errcode": 0, "errmsg": "ok"})), &mut tasks).await;
    let relay = relay(&robot, folder.path(), &mut tasks).await;
    assert_eq!(post_to(&relay, TOKEN, notification().to_string()).await, StatusCode::OK);

    let received = received.lock().unwrap();
    let [(query, message)] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(message["markdown"]["title"], "[FIRING 1] OrdersFail");
    let timestamp = query.split('&').find_map(|part| part.strip_prefix("timestamp=")).unwrap();
    let timestamp: i64 = timestamp.parse().unwrap();
    assert!((primitives::now().as_millisecond() - timestamp).abs() < 60_000, "{timestamp}");
    let expected = dingtalk::signed(&robot.into(), Some(&SECRET.into()), timestamp).unwrap();
    assert_eq!(Some(query.as_str()), expected.query());
}

#[tokio::test]
async fn unauthorised_and_invalid_requests_are_not_forwarded() {
    let (mut tasks, folder) = (JoinSet::new(), tempfile::tempdir().unwrap());
    let (robot, received) = robot(Some(json!({"errcode": 0})), &mut tasks).await;
    let relay = relay(&robot, folder.path(), &mut tasks).await;
    let good = notification().to_string();
    assert_eq!(post_to(&relay, "another", good).await, StatusCode::UNAUTHORIZED);
    for body in ["", "{}", "[]", "not JSON", "{\"status\": \"firing\"}"] {
        assert_eq!(post_to(&relay, TOKEN, body).await, StatusCode::BAD_REQUEST, "{body}");
    }
    // One byte too many.
    let long = " ".repeat(MAX_BODY + 1);
    assert_eq!(post_to(&relay, TOKEN, long).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_notification_that_the_robot_does_not_accept_is_retried() {
    let (mut tasks, folder) = (JoinSet::new(), tempfile::tempdir().unwrap());
    let refusals = [Some(json!({"errcode": 310_000, "errmsg": "sign not match"})), Some(json!("?")), None];
    for answer in refusals {
        let (robot, received) = robot(answer, &mut tasks).await;
        let relay = relay(&robot, folder.path(), &mut tasks).await;
        let status = post_to(&relay, TOKEN, notification().to_string()).await;
        assert_eq!((status, received.lock().unwrap().len()), (StatusCode::BAD_GATEWAY, 1));
    }
    // Nothing listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let relay = relay(&format!("http://{gone}/send"), folder.path(), &mut tasks).await;
    assert_eq!(post_to(&relay, TOKEN, notification().to_string()).await, StatusCode::BAD_GATEWAY);
}

#[test]
fn an_invalid_address_is_refused_and_not_printed() {
    for address in ["robot.example/send?access_token=hidden", "ftp://robot.example/?access_token=hidden", "h t"] {
        let command = RelayAlerts {
            listen: "127.0.0.1:0".parse().unwrap(),
            to_file: None,
            to: Some(address.to_owned()),
            secret_file: None,
            token_file: None,
            timeout_ms: 300,
        };
        let error = format!("{:#}", command.relay().unwrap_err());
        assert!(error.contains("the robot's address") && !error.contains("hidden"), "{error}");
    }
}
