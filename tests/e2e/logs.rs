//! Logs are JSON, name the trace, and hold nothing that is secret or about a person.

use std::fs;

use end_to_end::{Shop, everywhere, order_of};
use serde_json::{Value, json};

/// Everything that a log could give away, as one shopper brings it along.
const EMAIL: &str = "planted.person@example.com";
const NAME: &str = "Planted Person";
const PASSWORD: &str = "planted-password-1";
const NEW_PASSWORD: &str = "planted-password-2";
const CARD: &str = "tok_planted_card";

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
    shop.platform.process("payment").unwrap().kill9().await.unwrap();
    customer.post_keyed(&payments, json!({ "method": "card", "token": CARD })).await;

    let secrets = shop.platform.secrets();
    let files =
        [&secrets.page_tokens, &secrets.token_signing, &secrets.admin_password, &secrets.card_api_key];
    // A key in PEM has lines; the first and the last say nothing.
    let text = files.map(|file| fs::read_to_string(file).unwrap()).join("\n");
    let files: Vec<_> = text.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----")).collect();
    let planted = [EMAIL, NAME, PASSWORD, NEW_PASSWORD, CARD, access, refresh].map(str::to_owned);
    let mut of_trace = 0;
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
            of_trace += usize::from(line.to_string().contains(&trace));
        }
    }
    assert!(of_trace > 0, "no line names the trace of the order");
}
