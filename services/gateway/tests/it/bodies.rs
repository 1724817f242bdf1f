//! Invalid input is rejected with a precise error, and never reaches a service.

use envelope::Reason;
use serde_json::json;

use crate::support::{Gateway, failure, fields, raw, tokens};

const ORDERS: &str = "/api/v1/orders";

async fn send(gateway: &Gateway, body: impl Into<reqwest::Body>, content_type: Option<&str>) -> reqwest::Response {
    let request = gateway.request("POST", ORDERS).bearer_auth(tokens::customer()).header("Idempotency-Key", "k");
    let request = match content_type {
        Some(content_type) => request.header("Content-Type", content_type),
        None => request,
    };
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn invalid_json_is_malformed() {
    let gateway = Gateway::start().await;
    let deep = format!(r#"{{"lines": {}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let bodies: [&[u8]; 7] =
        [b"", b" ", b"{", b"{\"lines\": [}", b"\xff\xfe", b"{\"lines\": \"\xc3\x28\"}", deep.as_bytes()];
    for body in bodies {
        failure(send(&gateway, body.to_vec(), Some("application/json")).await, Reason::MalformedBody).await;
    }
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn only_json_in_utf8_is_accepted() {
    let gateway = Gateway::start().await;
    let order = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] }).to_string();
    let refused = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/xml"),
        Some("application/json; charset=latin1"),
        Some("application/jsonp"),
        Some("nonsense"),
        Some(""),
    ];
    for content_type in refused {
        failure(send(&gateway, order.clone(), content_type).await, Reason::UnsupportedMediaType).await;
    }
    let packed = gateway.request("POST", ORDERS).bearer_auth(tokens::customer()).header("Idempotency-Key", "k");
    let packed =
        packed.header("Content-Type", "application/json").header("Content-Encoding", "gzip").body(order.clone());
    failure(packed.send().await.unwrap(), Reason::UnsupportedMediaType).await;
    assert!(gateway.fake.asked().is_empty());
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        assert_eq!(send(&gateway, order.clone(), Some(content_type)).await.status(), 201, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected_with_any_framing() {
    let gateway = Gateway::start_with(json!({ "http": { "body_limit_bytes": 1000 } })).await;
    let large = json!({ "lines": [], "filler": "x".repeat(2_000) }).to_string();
    failure(send(&gateway, large.clone(), Some("application/json")).await, Reason::BodyTooLarge).await;
    let chunks: Vec<Result<_, std::io::Error>> = large.as_bytes().chunks(100).map(|chunk| Ok(chunk.to_vec())).collect();
    let head = format!(
        "POST {ORDERS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        tokens::customer()
    );
    let mut request = head.into_bytes();
    for chunk in chunks.into_iter().flatten() {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(&chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = raw::exchange(gateway.address, request).await;
    assert_eq!(raw::status(&answer), 413);
    assert!(answer.contains("BODY_TOO_LARGE"), "{answer}");
    let announced =
        format!("POST {ORDERS} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n");
    let answer = raw::exchange(gateway.address, announced).await;
    assert!(answer.contains("BODY_TOO_LARGE"), "{answer}");
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn invalid_fields_are_named() {
    let gateway = Gateway::start().await;
    let line = |quantity: &str| format!(r#"{{"lines": [{{"sku": "tea", "quantity": {quantity}}}]}}"#);
    let quantity = "lines[0].quantity";
    let sku = "lines[0].sku";
    for (body, field) in [
        (line("0"), quantity),
        (line("-1"), quantity),
        (line("1.5"), quantity),
        (line("1e-2"), quantity),
        (line("100001"), quantity),
        (line("4294967297"), quantity),
        (line("99999999999999999999999"), quantity),
        (line("\"1\""), quantity),
        (line("null"), quantity),
        (line("1, \"price\": 1"), "lines[0].price"),
        (r#"{"lines": [{"sku": "a/b", "quantity": 1}]}"#.into(), sku),
        (r#"{"lines": [{"sku": "", "quantity": 1}]}"#.into(), sku),
        (r#"{"lines": [{"sku": "tea\r\nX: y", "quantity": 1}]}"#.into(), sku),
        (r#"{"lines": [{"sku": "$where", "quantity": 1}]}"#.into(), sku),
        (r#"{"lines": [["tea", 1]]}"#.into(), "lines[0]"),
        (r#"{"lines": []}"#.into(), "lines"),
        (r#"{"lines": {}}"#.into(), "lines"),
        (r"{}".into(), "lines"),
        (r#"[[{"sku": "tea", "quantity": 1}]]"#.into(), "body"),
        (r#"{"lines": [], "userId": "0190b5a0-0000-7000-8000-000000000001"}"#.into(), "userId"),
    ] {
        let failure =
            failure(send(&gateway, body.clone(), Some("application/json")).await, Reason::ValidationFailed).await;
        assert_eq!(fields(&failure), [field], "{body}");
        let text = failure.to_string();
        assert!(!text.contains("u32") && !text.contains("i64") && !text.contains("struct"), "{text}");
    }
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn all_violations_are_reported_together_and_valid_lines_are_summed() {
    let gateway = Gateway::start().await;
    let body = json!({ "lines": [{ "sku": "a b", "quantity": 0 }, { "sku": "ok", "quantity": -1 }] }).to_string();
    let wrong = failure(send(&gateway, body, Some("application/json")).await, Reason::ValidationFailed).await;
    assert_eq!(fields(&wrong), ["lines[0].sku", "lines[0].quantity", "lines[1].quantity"]);
    let twice = json!({ "lines": [{ "sku": "tea", "quantity": 60_000 }, { "sku": "tea", "quantity": 60_000 }] });
    let wrong =
        failure(send(&gateway, twice.to_string(), Some("application/json")).await, Reason::ValidationFailed).await;
    assert_eq!(fields(&wrong), ["lines[1].quantity"]);
    let twice = json!({ "lines": [{ "sku": "tea", "quantity": 1 }, { "sku": "tea", "quantity": 2 }] });
    assert_eq!(send(&gateway, twice.to_string(), Some("application/json")).await.status(), 201);
    let asked = gateway.fake.asked();
    assert!(asked[0].message.contains(r#"[RequestedLine { sku: "tea", quantity: 3 }]"#), "{asked:?}");
}

#[tokio::test]
async fn prices_names_and_passwords_are_checked_at_the_edge() {
    let gateway = Gateway::start().await;
    let product =
        json!({ "sku": "tea", "name": "Tea", "category": "drinks", "price": { "amount": 1, "currency": "USD" } });
    for (field, value) in [
        ("price", json!({ "amount": 0, "currency": "USD" })),
        ("price", json!({ "amount": -5, "currency": "USD" })),
        ("price", json!({ "amount": 1_000_000_000_001_i64, "currency": "USD" })),
        ("price", json!({ "amount": 1.5, "currency": "USD" })),
        ("price", json!({ "amount": 1, "currency": "usd" })),
        ("price", json!({ "amount": 1, "currency": "USD", "more": 1 })),
        ("price", json!([1, "USD"])),
        ("price", json!(null)),
        ("name", json!("a\r\nX-Evil: 1")),
        ("name", json!("")),
        ("category", json!(" ")),
        ("sku", json!("x".repeat(65))),
        ("description", json!(null)),
        ("description", json!("x".repeat(2_001))),
    ] {
        let mut bad = product.clone();
        bad[field] = value.clone();
        let request = gateway.post("/api/v1/products", &bad).bearer_auth(tokens::admin());
        let wrong = failure(request.send().await.unwrap(), Reason::ValidationFailed).await;
        assert!(fields(&wrong)[0].starts_with(field), "{value}: {wrong}");
    }
    for body in [
        json!({ "name": "A", "email": "nobody", "password": "short" }),
        json!({ "name": "A\n", "email": "a@b\r\n.example", "password": "x".repeat(129) }),
    ] {
        let wrong = failure(gateway.post("/api/v1/users", &body).send().await.unwrap(), Reason::ValidationFailed).await;
        assert_eq!(fields(&wrong), ["name", "email", "password"]);
        assert!(!wrong.to_string().contains("short"));
    }
    for method in
        [json!({ "method": "cash" }), json!({ "method": "card" }), json!({ "method": "balance", "token": "t" })]
    {
        let path = "/api/v1/orders/0190b5a0-0000-7000-8000-000000000001/payments";
        let request = gateway.post(path, &method).bearer_auth(tokens::customer()).header("Idempotency-Key", "k");
        failure(request.send().await.unwrap(), Reason::ValidationFailed).await;
    }
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn malformed_ids_and_parameters_are_rejected() {
    let gateway = Gateway::start().await;
    let get = |path: &str| gateway.get(path).bearer_auth(tokens::admin()).send();
    for (path, field) in [
        ("/api/v1/orders/1", "id"),
        ("/api/v1/orders/0190b5a0000070008000000000000001", "id"),
        ("/api/v1/orders/%00", "id"),
        ("/api/v1/products/a%20b", "sku"),
        ("/api/v1/products/a%2Fb", "sku"),
        ("/api/v1/products/%FF", "sku"),
        ("/api/v1/products/tea?x=1", "x"),
        ("/api/v1/products?pageSize=0", "pageSize"),
        ("/api/v1/products?pageSize=201", "pageSize"),
        ("/api/v1/products?category=%0D%0A", "category"),
        ("/api/v1/products?q=a&q=b", "q"),
        ("/api/v1/orders?status=PAID", "status"),
        ("/api/v1/users/me?userId=1", "userId"),
    ] {
        let wrong = failure(get(path).await.unwrap(), Reason::ValidationFailed).await;
        assert_eq!(fields(&wrong), [field], "{path}");
    }
    failure(get("/api/v1/orders?pageToken=").await.unwrap(), Reason::InvalidPageToken).await;
    assert!(gateway.fake.asked().is_empty());
}
