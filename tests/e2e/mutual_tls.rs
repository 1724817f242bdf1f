//! Services that prove to each other who they are.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use end_to_end::{Authority, Identity, Overrides, Shop, eventually, order_of};
use serde_json::{Value, json};
use service::Shell;
use service::tls::{Tls, TlsConfig};
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// The services that there are, with those that may call them: the arrows of ARCHITECTURE.md.
const CALLERS: [(&str, &[&str]); 7] = [
    ("gateway", &[]),
    ("user", &["gateway"]),
    ("inventory", &["gateway", "order", "reconciliation"]),
    ("order", &["gateway", "reconciliation"]),
    ("payment", &["gateway", "order", "reconciliation"]),
    ("risk", &["order"]),
    ("reconciliation", &["gateway"]),
];

/// Certificates for everybody, looked at all the time, and connections that are made anew all the time.
fn settings(authority: &Authority, folder: &Path) -> Overrides {
    let of_service = |(service, callers): (&str, &[&str])| {
        let Identity { ca, certificate, key } = authority.issue(folder, service);
        let mut tls = json!({ "ca": ca, "certificate": certificate, "key": key, "refresh_ms": 50 });
        let mut sections = json!({});
        if !callers.is_empty() {
            tls["callers"] = json!(callers);
            sections["server"] = json!({ "max_connection_age_ms": 1_000 });
        }
        sections["tls"] = tls;
        (service.to_owned(), toml::Table::try_from(sections).unwrap())
    };
    CALLERS.map(of_service).into()
}

async fn tls(files: Identity) -> Tls {
    let config = TlsConfig::new(files.ca, files.certificate, files.key);
    Tls::start(&config, &Shell::without_admin().tasks).await.unwrap()
}

/// Asks a service after its health, as whoever this is.
async fn ask(shop: &Shop, service: &'static str, tls: Option<&Tls>) -> Result<(), Status> {
    let channel = cli::dial::channel(service, &shop.platform.grpc_url(service).unwrap(), tls).unwrap();
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_secs(10));
    HealthClient::new(channel).check(request).await.map(drop)
}

/// Places an order and pays it.
async fn buy(customer: &end_to_end::Client) {
    let order = customer.post_keyed("/orders", order_of(&[("tea", 2)])).await.expect_status(201).data();
    assert_eq!(order["risk"], json!({ "decision": "accept", "source": "service" }));
    let payments = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    let paid = customer.post_keyed(&payments, json!({ "method": "balance" })).await.expect_success().data();
    assert_eq!(paid["status"], "captured");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_and_paid_and_strangers_are_refused() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let shop = Shop::open_with("mutual_tls", settings(&authority, folder.path())).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 1_000).await;
    let me = customer.get("/users/me").await.expect_status(200).data();
    let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
    admin.post_keyed(&deposits, json!({ "amount": 1_000_000, "currency": "USD" })).await.expect_success();
    buy(&customer).await;
    expect_clean_books(&admin).await;

    expect_strangers_to_be_refused(&shop, &authority, folder.path()).await;
    renew(&shop, &authority, folder.path(), &customer).await;
    expect_no_key_in_logs(&shop, folder.path());
    shop.verify_books().await;
}

/// By each service itself: they all believe it.
async fn expect_strangers_to_be_refused(shop: &Shop, authority: &Authority, folder: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new().issue(elsewhere.path(), "gateway");
    let known = fs::read_to_string(folder.join("gateway/ca.crt")).unwrap();
    fs::write(&foreign.ca, known + &fs::read_to_string(&foreign.ca).unwrap()).unwrap();
    let foreign = tls(foreign).await;
    let unlisted = tls(authority.issue(elsewhere.path(), "nines")).await;
    for (service, callers) in CALLERS.into_iter().filter(|(_, callers)| !callers.is_empty()) {
        for stranger in [None, Some(&foreign), Some(&unlisted)] {
            let before = shop.metric(service, "tls_callers_refused_total").await;
            let refused = ask(shop, service, stranger).await.unwrap_err();
            // Not an answer of the service, which a connection would be needed for.
            assert!(refused.source().is_some(), "{service}: {refused:?}");
            eventually("it is counted", async || shop.metric(service, "tls_callers_refused_total").await > before)
                .await;
        }
        let caller = tls(authority.issue(elsewhere.path(), callers[0])).await;
        ask(shop, service, Some(&caller)).await.unwrap();
    }
}

/// The reconciliation asks order, inventory and payment for their books.
async fn expect_clean_books(admin: &end_to_end::Client) {
    let begun = admin.post("/reconciliations", Value::Null).await.expect_status(202);
    let path = begun.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
    eventually("the run is completed", async || {
        admin.get(&path).await.expect_status(200).data()["status"] == "completed"
    })
    .await;
}

/// Everybody gets a new certificate, and payment one that is broken first, while orders are placed and paid.
async fn renew(shop: &Shop, authority: &Authority, folder: &Path, customer: &end_to_end::Client) {
    let count = async |service: &str, outcome: &str| {
        shop.metric(service, &format!("tls_renewals_total{{outcome=\"{outcome}\"}}")).await
    };
    fs::write(folder.join("payment/tls.crt"), "no certificate").unwrap();
    eventually("the broken one is seen", async || {
        buy(customer).await;
        count("payment", "failed").await == Some(1)
    })
    .await;
    for (service, _) in CALLERS {
        authority.issue(folder, service);
        eventually("the new one is taken over", async || {
            buy(customer).await;
            count(service, "renewed").await >= Some(1)
        })
        .await;
    }
}

fn expect_no_key_in_logs(shop: &Shop, folder: &Path) {
    let keys = CALLERS.map(|(service, _)| fs::read_to_string(folder.join(service).join("tls.key")).unwrap());
    let lines: Vec<_> = keys.iter().flat_map(|key| key.lines()).filter(|line| !line.starts_with("---")).collect();
    for (process, ..) in shop.platform.processes() {
        let log = fs::read_to_string(process.log()).unwrap();
        assert!(!lines.iter().any(|line| log.contains(line)), "{} gives its key away", process.name());
    }
}
