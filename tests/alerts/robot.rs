//! Stands in for the robot of a DingTalk group: takes messages, and checks how they are signed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::{OnFailure, Shell};
use tokio::net::TcpListener;

/// What was posted to the group. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Robot {
    messages: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl Robot {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let robot = Self { messages: Arc::default(), port: listener.local_addr().unwrap().port() };
        let router = Router::new().route("/robot/send", post(take)).with_state(robot.clone());
        let serving = async move { axum::serve(listener, router).await };
        Shell::without_admin().tasks.spawn("robot", OnFailure::Log, serving);
        robot
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/robot/send?access_token=test", self.port)
    }

    /// The names of the alerts that were told of.
    pub(crate) fn alerts(&self) -> BTreeSet<String> {
        let messages = self.messages.lock().unwrap();
        let pages = messages.iter().flat_map(|message| message.split("docs/runbooks/").skip(1));
        pages.filter_map(|rest| Some(rest.split_once(".md")?.0.to_owned())).collect()
    }

    pub(crate) fn first_about(&self, alert: &str) -> String {
        let messages = self.messages.lock().unwrap();
        messages.iter().find(|message| message.contains(alert)).unwrap().clone()
    }
}

async fn take(State(robot): State<Robot>, RawQuery(query): RawQuery, Json(message): Json<Value>) -> Json<Value> {
    let query = query.unwrap_or_default();
    let has = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).any(|(key, value)| key == name && !value.is_empty())
    };
    assert!(has("access_token") && has("timestamp") && has("sign"), "{query:?}");
    assert_eq!(message["msgtype"], "markdown", "{message}");
    robot.messages.lock().unwrap().push(message["markdown"]["text"].as_str().unwrap().to_owned());
    Json(json!({ "errcode": 0, "errmsg": "ok" }))
}
