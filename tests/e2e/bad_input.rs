//! Input that no good client sends: a clear error each, and nothing written.

use end_to_end::{Client, Reply, Shop, fresh_key, order_of};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

struct Desk {
    shop: Shop,
    admin: Client,
    customer: Client,
}

impl Desk {
    async fn open(test: &str) -> Self {
        let shop = Shop::open(test).await;
        let (admin, customer) = (shop.admin().await, shop.customer().await);
        shop.product(&admin, "tea", 450, 100).await;
        Self { shop, admin, customer }
    }

    fn order(&self) -> RequestBuilder {
        self.customer
            .request(Method::POST, "/orders")
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", "application/json")
    }

    async fn raw(&self, body: impl Into<reqwest::Body>) -> Reply {
        Client::send(self.order().body(body)).await
    }

    /// Nothing has come of all that was refused.
    async fn untouched(&self) {
        assert_eq!(self.shop.available("tea").await, 100);
        assert_eq!(self.customer.get("/orders").await.data()["items"], json!([]));
        assert_eq!(self.admin.get("/products").await.data()["items"].as_array().unwrap().len(), 1);
        self.shop.verify_books().await;
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_malformed() {
    let desk = Desk::open("malformed").await;
    for body in ["", "{", "[1,", "nonsense", "{\"lines\": [}", "{\"lines\": 1} x", "\u{feff}{}"] {
        desk.raw(body).await.expect_refusal(400, "MALFORMED_BODY");
    }
    let not_utf8 = b"{\"lines\":[{\"sku\":\"\xff\xfe\",\"quantity\":1}]}".to_vec();
    desk.raw(not_utf8).await.expect_refusal(400, "MALFORMED_BODY");
    let deep = format!("{{\"lines\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = desk.raw(deep).await;
    assert_eq!(deep.status, 400, "{}", deep.text());
    let large = desk.raw(" ".repeat(3 * 1024 * 1024)).await;
    large.expect_refusal(413, "BODY_TOO_LARGE");
    for content_type in ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=latin1"] {
        let request = desk
            .customer
            .request(Method::POST, "/orders")
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", content_type)
            .body("{}");
        Client::send(request).await.expect_refusal(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    desk.untouched().await;
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused_by_field() {
    let desk = Desk::open("orders_bad").await;
    let line = |quantity: Value| json!({ "lines": [{ "sku": "tea", "quantity": quantity }] });
    let quantities = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(100_001),
        json!(4_294_967_297_u64),
        json!(1e30),
        json!("1"),
        json!(null),
        json!(true),
    ];
    for quantity in quantities {
        let reply = desk.customer.post_keyed("/orders", line(quantity)).await;
        let details = reply.expect_refusal(400, "VALIDATION_FAILED").json()["details"].clone();
        assert_eq!(details[0]["field"], "lines[0].quantity", "{details}");
    }
    let huge = "{\"lines\":[{\"sku\":\"tea\",\"quantity\":123456789012345678901234567890}]}";
    assert_eq!(desk.raw(huge).await.status, 400);
    for sku in ["", "te a", "tea\n", "tëa", "$where", "../tea", &"x".repeat(65)] {
        let reply = desk.customer.post_keyed("/orders", order_of(&[(sku, 1)])).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    let operator = json!({ "lines": [{ "sku": { "$gt": "" }, "quantity": 1 }] });
    desk.customer.post_keyed("/orders", operator).await.expect_refusal(400, "VALIDATION_FAILED");
    let too_many: Vec<_> = (0..101).map(|n| json!({ "sku": format!("s{n}"), "quantity": 1 })).collect();
    for body in [
        json!({}),
        json!([]),
        json!("lines"),
        json!({ "lines": [] }),
        json!({ "lines": too_many }),
        json!({ "lines": [{ "sku": "tea" }] }),
        json!({ "lines": [{ "sku": "tea", "quantity": 1, "price": 1 }] }),
        json!({ "lines": [{ "sku": "tea", "quantity": 1 }], "total": 0 }),
        order_of(&[("tea", 60_000), ("tea", 60_000)]),
    ] {
        let reply = desk.customer.post_keyed("/orders", body).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    let unknown = desk.customer.post_keyed("/orders", order_of(&[("tea", 1), ("nothing", 1)])).await;
    let unknown = unknown.expect_refusal(404, "SKU_NOT_FOUND").json();
    assert_eq!(unknown["details"], json!([{ "sku": "nothing" }]));
    let short = desk.customer.post_keyed("/orders", order_of(&[("tea", 101)])).await;
    let short = short.expect_refusal(409, "INSUFFICIENT_STOCK").json();
    assert_eq!(short["details"], json!([{ "sku": "tea", "requested": 101, "available": 100 }]));
    desk.untouched().await;
}

#[tokio::test]
async fn products_and_adjustments_that_make_no_sense_are_refused() {
    let desk = Desk::open("products_bad").await;
    let product = |amount: Value, currency: &str| {
        let price = json!({ "amount": amount, "currency": currency });
        json!({ "sku": "new", "name": "New", "category": "c", "price": price })
    };
    let amounts = [json!(0), json!(-1), json!(1.5), json!(1e300), json!("1"), json!(9_223_372_036_854_775_807_i64)];
    for amount in amounts {
        let reply = desk.admin.post("/products", product(amount, "USD")).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    for currency in ["", "usd", "XXXX", "EUR"] {
        let reply = desk.admin.post("/products", product(json!(1), currency)).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    let adjustments = "/products/tea/stock-adjustments";
    for delta in [json!(0), json!(1.5), json!(i64::MAX), json!(i64::MIN), json!("1"), json!(null)] {
        let reply = desk.admin.post_keyed(adjustments, json!({ "delta": delta, "reason": "x" })).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    for reason in ["", "a\nb", &"x".repeat(201)] {
        let reply = desk.admin.post_keyed(adjustments, json!({ "delta": 1, "reason": reason })).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    let below_zero = desk.admin.post_keyed(adjustments, json!({ "delta": -101, "reason": "x" })).await;
    below_zero.expect_refusal(409, "INSUFFICIENT_STOCK");
    let nothing = desk.admin.post_keyed("/products/nothing/stock-adjustments", json!({ "delta": 1, "reason": "x" }));
    nothing.await.expect_refusal(404, "SKU_NOT_FOUND");
    desk.untouched().await;
}

#[tokio::test]
async fn headers_ids_and_tokens_of_the_wrong_shape_are_refused() {
    let desk = Desk::open("shapes_bad").await;
    let with_key = |key: &[u8]| {
        let request = desk.customer.request(Method::POST, "/orders").json(&order_of(&[("tea", 1)]));
        request.header("Idempotency-Key", reqwest::header::HeaderValue::from_bytes(key).unwrap())
    };
    let keyless = desk.customer.post("/orders", order_of(&[("tea", 1)])).await;
    keyless.expect_refusal(400, "IDEMPOTENCY_KEY_MISSING");
    for key in [b"a b".as_slice(), b"k\xc3\xa4", &[b'k'; 256]] {
        Client::send(with_key(key)).await.expect_refusal(400, "VALIDATION_FAILED");
    }
    let twice = with_key(b"k1").header("Idempotency-Key", "k2");
    Client::send(twice).await.expect_refusal(400, "VALIDATION_FAILED");
    for id in ["1", "not-a-uuid", "0190b5a0-0000-7000-8000-00000000000g", "%00", "..%2F..%2Fetc"] {
        let reply = desk.customer.get(&format!("/orders/{id}")).await;
        assert!([400, 404].contains(&reply.status.as_u16()), "{id}: {}", reply.text());
        assert!(!reply.reason().is_empty());
    }
    for token in ["x", "AAAA", "%7B%7D", &"A".repeat(4_000)] {
        for list in ["/orders", "/products"] {
            let reply = desk.customer.get(&format!("{list}?pageToken={token}")).await;
            reply.expect_refusal(400, "INVALID_PAGE_TOKEN");
        }
    }
    for query in ["pageSize=0", "pageSize=201", "pageSize=-1", "pageSize=x", "status=sold", "unknown=1"] {
        let reply = desk.customer.get(&format!("/orders?{query}")).await;
        reply.expect_refusal(400, "VALIDATION_FAILED");
    }
    desk.untouched().await;
}

#[tokio::test]
async fn names_and_request_ids_can_not_inject_headers() {
    let desk = Desk::open("injection").await;
    let user = |name: &str| json!({ "name": name, "email": "eve@example.com", "password": "12345678" });
    for name in ["Eve\r\nSet-Cookie: a=b", "E\u{0}ve", "x", " ", &"x".repeat(101)] {
        desk.shop.anyone().post("/users", user(name)).await.expect_refusal(400, "VALIDATION_FAILED");
    }
    for email in ["", "eve", "eve@", "@example.com", "eve@exa mple.com", "eve@example.com\r\nBcc: x@y.z"] {
        let user = json!({ "name": "Eve", "email": email, "password": "12345678" });
        desk.shop.anyone().post("/users", user).await.expect_refusal(400, "VALIDATION_FAILED");
    }
    for password in ["", "1234567", &"x".repeat(129)] {
        let user = json!({ "name": "Eve", "email": "eve@example.com", "password": password });
        desk.shop.anyone().post("/users", user).await.expect_refusal(400, "VALIDATION_FAILED");
    }
    let traced = desk.shop.anyone().request(Method::GET, "/products").header("X-Request-Id", "mine-1");
    assert_eq!(Client::send(traced).await.header("x-request-id"), Some("mine-1"));
    for odd in ["a b", &"x".repeat(129)] {
        let request = desk.shop.anyone().request(Method::GET, "/products").header("X-Request-Id", odd);
        let reply = Client::send(request).await.expect_status(200);
        assert_ne!(reply.header("x-request-id"), Some(odd));
    }
    let unknown = desk.shop.anyone().get("/nothing").await.expect_refusal(404, "NOT_FOUND");
    assert!(unknown.header("set-cookie").is_none());
    let wrong_method = desk.shop.anyone().request(Method::DELETE, "/products");
    Client::send(wrong_method).await.expect_refusal(405, "METHOD_NOT_ALLOWED");
    desk.untouched().await;
}
