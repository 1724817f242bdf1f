//! Logs are JSON, name the trace, and hold nothing that is secret or about a person.

use std::collections::BTreeSet;
use std::fs;

use end_to_end::{Client, Shop, eventually, everywhere, order_of};
use mongodb::bson::doc;
use reqwest::Method;
use serde_json::{Value, json};

/// Everything that a log could give away, as one shopper brings it along.
const EMAIL: &str = "planted.person@example.com";
const NAME: &str = "Planted Person";
const PASSWORD: &str = "planted-password-1";
const NEW_PASSWORD: &str = "planted-password-2";
const CARD: &str = "tok_planted_card";
/// Those that can fail a request: risk judges from memory.
const SERVICES: [&str; 6] = ["gateway", "user", "inventory", "order", "payment", "reconciliation"];

#[tokio::test]
async fn logs_name_the_trace_and_give_nothing_away() {
    // What is logged only when somebody looks for a fault must not give anything away either.
    let debug = toml::toml! { [log]
    filter = "debug,hyper=info,h2=info" };
    let shop = Shop::open_with("logs", everywhere(&debug)).await;
    let admin = shop.admin().await;
    shop.product(&admin, "tea", 450, 10).await;
    let user = json!({ "name": NAME, "email": EMAIL, "password": PASSWORD });
    shop.anyone().post("/users", user.clone()).await.expect_status(201);
    shop.anyone().post("/users", user).await.expect_refusal(409, "ALREADY_EXISTS");
    let wrong = json!({ "email": EMAIL, "password": NEW_PASSWORD });
    shop.anyone().post("/sessions", wrong).await.expect_status(401);
    let session = shop.anyone().post("/sessions", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let session = session.expect_success().data();
    let [access, refresh] = ["accessToken", "refreshToken"].map(|token| session[token].as_str().unwrap());
    let customer = shop.anyone().with_token(access);
    let trace = uuid::Uuid::new_v4().simple().to_string();
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let order = customer.post_in_trace("/orders", order_of(&[("tea", 1)]), &traceparent).await;
    let order = order.expect_status(201).data();
    let payments = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    customer.post_keyed(&payments, json!({ "method": "card", "token": CARD })).await;
    customer.post_keyed("/orders", json!({ "lines": [], "password": PASSWORD })).await.expect_status(400);
    shop.anyone().post("/sessions/refresh", json!({ "refreshToken": refresh })).await;
    // Of what goes well only the gateway has a line.
    let spoiled = [
        ("users", "version", "/users/me"),
        ("stock_levels", "available", "/products/tea/stock"),
        ("payments", "createdAt", payments.as_str()),
        ("statements", "lines", "/statements"),
    ];
    let database = shop.database().await;
    for (collection, field, path) in spoiled {
        let spoil = doc! {
            "update": collection,
            "updates": [{ "q": {}, "u": { "$set": { field: "spoiled" } }, "multi": true }],
            "bypassDocumentValidation": true,
        };
        eventually(path, async || {
            database.run_command(spoil.clone()).await.unwrap();
            let read = customer.request(Method::GET, path).header("traceparent", &traceparent);
            Client::send(read).await.status == 500
        })
        .await;
    }
    shop.platform.process("payment").unwrap().kill9().await.unwrap();
    customer.post_in_trace(&payments, json!({ "method": "card", "token": CARD }), &traceparent).await;

    let secrets = shop.platform.secrets();
    let files = [&secrets.page_tokens, &secrets.token_signing, &secrets.admin_password, &secrets.card_api_key];
    // A key in PEM has lines; the first and the last say nothing.
    let text = files.map(|file| fs::read_to_string(file).unwrap()).join("\n");
    let files: Vec<_> = text.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----")).collect();
    let planted = [EMAIL, NAME, PASSWORD, NEW_PASSWORD, CARD, access, refresh].map(str::to_owned);
    let mut of_trace = BTreeSet::new();
    for (process, ..) in shop.platform.processes() {
        let log = fs::read_to_string(process.log()).unwrap();
        assert!(!log.is_empty(), "{} logs nothing", process.name());
        for line in log.lines() {
            for secret in planted.iter().map(String::as_str).chain(files.iter().copied()) {
                assert!(!line.contains(secret), "{} gives {secret:?} away: {line}", process.name());
            }
            let line: Value = serde_json::from_str(line)
                .unwrap_or_else(|_| panic!("{} has a line that is no JSON: {line}", process.name()));
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
            if line.to_string().contains(&trace) {
                of_trace.insert(process.name().trim_end_matches(|end: char| "-12".contains(end)));
            }
        }
    }
    for service in SERVICES {
        assert!(of_trace.contains(service), "no line of {service} names the trace: {of_trace:?}");
    }
}
