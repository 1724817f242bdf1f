//! Who may call what: for every row of the routing table, without a token, with somebody else's, and as a customer
//! where an administrator is needed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use end_to_end::{Client, Reply, Shop, fresh_key, order_of};
use gateway::{Access, Endpoint};
use reqwest::Method;
use serde_json::{Value, json};

/// What the calls are about: things of one customer, the owner.
struct Case {
    owner: Client,
    stranger: Client,
    owner_id: String,
    order_id: String,
}

impl Case {
    async fn open(shop: &Shop) -> Self {
        let admin = shop.admin().await;
        shop.product(&admin, "tea", 450, 100).await;
        let (owner, stranger) = (shop.customer().await, shop.customer().await);
        let order = owner.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
        let owner_id = owner.get("/users/me").await.data()["id"].as_str().unwrap().to_owned();
        Self { owner, stranger, owner_id, order_id: order["id"].as_str().unwrap().to_owned() }
    }

    /// The path of a call about the owner's things and a body that would be taken. Every call behind the API's prefix
    /// has a line here: a new one without fails the test.
    fn call(&self, endpoint: &Endpoint) -> Option<(String, Option<Value>)> {
        let price = json!({ "amount": 1, "currency": "USD" });
        let product = json!({ "sku": fresh_key(), "name": "x", "category": "y", "price": price });
        let session = json!({ "email": "nobody@example.com", "password": "wrong password" });
        let user =
            json!({ "name": "Somebody", "email": format!("{}@example.com", fresh_key()), "password": "12345678" });
        let body = match endpoint.id {
            "registerUser" => Some(user),
            "listUsers" | "getMe" | "getBalance" | "logOut" => None,
            "changeMe" => Some(json!({ "name": "Another Name" })),
            "deposit" => Some(json!({ "amount": 1, "currency": "USD" })),
            "logIn" => Some(session),
            "refreshSession" => Some(json!({ "refreshToken": "unknown" })),
            "listProducts" | "getProduct" | "getStock" | "listStockMovements" => None,
            "createProduct" => Some(product),
            "changeProduct" => Some(json!({ "name": "x" })),
            "adjustStock" => Some(json!({ "delta": 1, "reason": "x" })),
            "placeOrder" => Some(order_of(&[("tea", 1)])),
            "listOrders" | "getOrder" | "cancelOrder" | "listPayments" | "listStatements" => None,
            "startReconciliation" | "listReconciliations" => None,
            "getReconciliation" | "listReconciliationExceptions" => None,
            "payOrder" => Some(json!({ "method": "balance" })),
            _ => return None,
        };
        let id = if endpoint.path.contains("/users/") { &self.owner_id } else { &self.order_id };
        let path = endpoint.path.replace("{sku}", "tea").replace("{id}", id);
        Some((path.trim_start_matches("/api/v1").to_owned(), body))
    }

    async fn send(&self, client: &Client, endpoint: &Endpoint) -> Reply {
        let (path, body) = self
            .call(endpoint)
            .unwrap_or_else(|| panic!("{} {} has no authorization case", endpoint.verb.as_str(), endpoint.path));
        let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
        let mut request = client.request(method, &path);
        if endpoint.idempotent {
            request = request.header("Idempotency-Key", fresh_key());
        }
        if endpoint.versioned {
            request = request.header("If-Match", "\"v1\"");
        }
        Client::send(body.into_iter().fold(request, |request, body| request.json(&body))).await
    }
}

fn api() -> impl Iterator<Item = &'static Endpoint> {
    gateway::endpoints().iter().filter(|endpoint| endpoint.path.starts_with("/api/v1/"))
}

#[tokio::test]
async fn every_endpoint_lets_only_those_through_who_may() {
    let shop = Shop::open("access").await;
    let case = Case::open(&shop).await;
    let mut walked = 0;
    for endpoint in api() {
        let what = format!("{} {}", endpoint.verb.as_str(), endpoint.path);
        let anonymous = case.send(&shop.anyone(), endpoint).await;
        let forged = case.send(&shop.anyone().with_token("not.a.token"), endpoint).await;
        if endpoint.access == Access::Public {
            let status = anonymous.status.as_u16();
            let login = ["BAD_CREDENTIALS", "UNAUTHENTICATED"].contains(&anonymous.reason().as_str());
            let own_business = ["logIn", "refreshSession"].contains(&endpoint.id);
            assert!(status < 300 || (login && own_business), "{what}: {}", anonymous.text());
        } else {
            println!("{what}");
            anonymous.expect_refusal(401, "UNAUTHENTICATED");
            forged.expect_refusal(401, "UNAUTHENTICATED");
        }
        if endpoint.access == Access::Admin {
            println!("{what} as a customer");
            case.send(&case.owner, endpoint).await.expect_refusal(403, "FORBIDDEN");
        }
        if endpoint.access == Access::Owner && endpoint.path.contains("{id}") {
            println!("{what} as somebody else");
            case.send(&case.stranger, endpoint).await.expect_refusal(404, "ORDER_NOT_FOUND");
        }
        walked += 1;
    }
    assert_eq!(walked, api().count());
    assert!(walked >= 27, "{walked}");
    let order = case.owner.get(&format!("/orders/{}", case.order_id)).await.expect_status(200).data();
    assert_eq!(order["status"], "pending_payment");
    shop.verify_books().await;
}

#[tokio::test]
async fn a_token_shows_its_own_users_things_only() {
    let shop = Shop::open("own_things").await;
    let case = Case::open(&shop).await;
    let me = case.stranger.get("/users/me").await.expect_status(200).data();
    assert_ne!(me["id"], json!(case.owner_id));
    let orders = case.stranger.get("/orders").await.expect_status(200).data();
    assert_eq!(orders["items"], json!([]));
    let deposit = json!({ "amount": 500, "currency": "USD" });
    shop.admin().await.post_keyed(&format!("/users/{}/deposits", case.owner_id), deposit).await.expect_success();
    let amount =
        async |client: &Client| client.get("/users/me/balance").await.expect_status(200).data()["amount"].clone();
    assert_eq!((amount(&case.owner).await, amount(&case.stranger).await), (json!(500), json!(0)));
    // An administrator sees every order, but does not pay for others.
    let admin = shop.admin().await;
    admin.get(&format!("/orders/{}", case.order_id)).await.expect_status(200);
    let pay = admin.post_keyed(&format!("/orders/{}/payments", case.order_id), json!({ "method": "balance" })).await;
    assert!([403, 404].contains(&pay.status.as_u16()), "{}", pay.text());
    // A changed body does not make a customer somebody else, nor an administrator.
    let posing = json!({ "lines": [{ "sku": "tea", "quantity": 1 }], "userId": case.owner_id });
    case.stranger.post_keyed("/orders", posing).await.expect_refusal(400, "VALIDATION_FAILED");
    let posing = json!({ "name": "Eve", "email": "eve@example.com", "password": "12345678", "role": "admin" });
    shop.anyone().post("/users", posing).await.expect_refusal(400, "VALIDATION_FAILED");
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn tokens_of_other_making_are_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ed25519_dalek::{Signer as _, SigningKey};
    use hmac::{Hmac, KeyInit as _, Mac as _};

    let shop = Shop::open("tokens").await;
    let customer = shop.customer().await;
    let good = customer.token().unwrap().to_owned();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let decode = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let encode_part = |part: &Value| URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap());
    let kid = decode(header)["kid"].as_str().unwrap().to_owned();
    let mut admin_claims = decode(payload);
    admin_claims["role"] = json!("admin");

    let jwks = shop.anyone().get("//.well-known/jwks.json").await.expect_status(200).json();
    let public = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let unsigned = |algorithm: &str| {
        format!("{}.{}", encode_part(&json!({ "alg": algorithm, "kid": kid })), encode_part(&admin_claims))
    };
    let confused = {
        let mut mac: Hmac<sha2::Sha256> = Hmac::new_from_slice(&public).unwrap();
        mac.update(unsigned("HS256").as_bytes());
        format!("{}.{}", unsigned("HS256"), URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let altered = format!("{header}.{}.{signature}", encode_part(&admin_claims));
    let foreign = {
        let signature = SigningKey::from_bytes(&[7; 32]).sign(unsigned("EdDSA").as_bytes());
        format!("{}.{}", unsigned("EdDSA"), URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    };
    for (what, token) in [
        ("the public key as a shared secret", confused),
        ("no signature", format!("{}.", unsigned("none"))),
        ("altered claims", altered),
        ("a foreign key", foreign),
        ("a cut token", good[..good.len() - 3].to_owned()),
        ("an empty token", String::new()),
    ] {
        println!("{what}");
        let reply = customer.with_token(token).get("/users").await;
        reply.expect_refusal(401, "UNAUTHENTICATED");
    }
    customer.get("/users/me").await.expect_status(200);
    assert!(decode(payload)["exp"].as_u64().unwrap() <= now_seconds() + 900);
}

#[tokio::test]
async fn an_access_token_ends_and_a_refresh_token_works_once() {
    let short = toml::toml! { [tokens]
    access_lifetime_seconds = 1 };
    let shop = Shop::open_with("sessions", [("user".to_owned(), short)].into()).await;
    let customer = shop.customer().await;
    let expired = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let reply = customer.get("/users/me").await;
            if reply.status == 401 {
                return reply;
            }
        }
    });
    expired.await.unwrap().expect_refusal(401, "TOKEN_EXPIRED");

    let user = json!({ "name": "Ann", "email": "ann@example.com", "password": "12345678" });
    shop.anyone().post("/users", user).await.expect_status(201);
    let login = json!({ "email": "ANN@example.com", "password": "12345678" });
    let first = shop.anyone().post("/sessions", login).await.expect_success().data();
    let refresh = async |token: &Value| {
        let body = json!({ "refreshToken": token });
        shop.anyone().post("/sessions/refresh", body).await
    };
    let second = refresh(&first["refreshToken"]).await.expect_success().data();
    refresh(&first["refreshToken"]).await.expect_refusal(401, "UNAUTHENTICATED");
    // Its use by somebody else has ended the whole family.
    refresh(&second["refreshToken"]).await.expect_refusal(401, "UNAUTHENTICATED");
}
