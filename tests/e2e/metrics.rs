//! What every process serves for Prometheus is what docs/metrics.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use end_to_end::{Shop, eventually, order_of};
use serde_json::json;

/// Types and names of labels, by name of metric.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Of metrics-process, which nothing of ours names.
const FOREIGN: &str = "process_";

fn documented() -> Metrics {
    let page = fs::read_to_string(format!("{ROOT}/docs/metrics.md")).unwrap();
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let [_, name, kind, labels, says, _] = cells[..] else { panic!("not a row of five cells: {row}") };
        assert!(["counter", "gauge", "histogram"].contains(&kind.trim()), "{row}");
        assert!(!says.trim().is_empty(), "{row}");
        (words(name).remove(0), (kind.trim().to_owned(), words(labels).into_iter().collect()))
    })
    .collect()
}

/// What a page of Prometheus' text format has.
fn served(page: &str) -> Metrics {
    let mut kinds = BTreeMap::new();
    let mut found = Metrics::new();
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            kinds.insert(name.to_owned(), kind.to_owned());
            assert_ne!(kind, "summary", "{name} has no buckets");
        } else if !line.starts_with('#') && !line.is_empty() {
            let end = line.find(['{', ' ']).unwrap();
            let series = &line[..end];
            let histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| series.strip_suffix(suffix))
                .find(|name| kinds.get(*name).is_some_and(|kind| kind == "histogram"));
            let labels = line[end..].strip_prefix('{').map_or("", |rest| &rest[..rest.find('}').unwrap()]);
            let labels = labels.split(',').filter_map(|label| label.split_once('='));
            let labels = labels.map(|(name, _)| name.to_owned()).filter(|name| name != "le");
            let name = histogram.unwrap_or(series);
            let (kind, names) = found.entry(name.to_owned()).or_default();
            *kind = kinds.get(name).cloned().unwrap_or_default();
            names.extend(labels);
        }
    }
    found
}

async fn use_everything(shop: &Shop) {
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 5).await;
    let me = customer.get("/users/me").await.expect_status(200).data();
    let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
    admin.post_keyed(&deposits, json!({ "amount": 10_000, "currency": "USD" })).await.expect_success();
    let order = customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await.expect_success();
    customer.post_keyed("/orders", order_of(&[("tea", 6)])).await.expect_refusal(409, "INSUFFICIENT_STOCK");
    customer.get("/no/such/path/with/secrets").await.expect_status(404);
    customer.get("/products/tea").await.expect_status(200);
    shop.anyone().post("/sessions", json!({ "email": "a@example.com", "password": "wrong horse" })).await;
}

#[tokio::test]
async fn every_metric_is_documented_with_its_type_and_labels() {
    let shop = Shop::open("metrics").await;
    use_everything(&shop).await;
    let http = reqwest::Client::new();
    let scrape = async |name: &str| {
        let url = format!("{}/metrics", shop.platform.admin_url(name).unwrap());
        http.get(url).send().await.unwrap().text().await.unwrap()
    };
    eventually("the events have been consumed", async || {
        scrape("reconciliation").await.contains(r#"consumer_events_total{group="reconciliation",outcome="applied"}"#)
    })
    .await;
    let documented = documented();
    let names: Vec<_> = shop.platform.processes().map(|(process, ..)| process.name().to_owned()).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for process in &names {
        let page = scrape(process).await;
        assert!(!page.contains("example.com") && !page.contains("secrets"), "{process} has data in its metrics");
        for (metric, measured) in served(&page) {
            if documented.get(&metric) != Some(&measured) {
                wrong.push(format!("{process}: {metric} {measured:?}"));
            }
            seen.insert(metric);
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md says otherwise: {wrong:#?}");
    for metric in ["http_requests_total", "order_lanes_batch_orders", "mongo_command_duration_seconds", "build_info"] {
        assert!(seen.contains(metric), "{metric} is not served");
    }
}

#[test]
fn every_documented_metric_is_in_the_sources_and_the_other_way_round() {
    let mut sources = String::new();
    for folder in ["crates", "services"] {
        read_all(&Path::new(ROOT).join(folder), &mut sources);
    }
    let documented = documented();
    let missing: Vec<_> = documented
        .keys()
        .filter(|name| !name.starts_with(FOREIGN) && !sources.contains(&format!("\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "nobody measures {missing:?}");
    let calls = [("counter!(", "counter"), ("gauge!(", "gauge"), ("histogram!(", "histogram")];
    let measured = calls
        .into_iter()
        .flat_map(|(call, kind)| sources.split(call).skip(1).map(move |rest| (rest, kind)))
        .filter_map(|(rest, kind)| Some((rest.trim_start().strip_prefix('"')?.split('"').next()?, kind)));
    let measured: BTreeSet<_> = measured
        .filter(|(name, kind)| documented.get(*name).is_none_or(|(documented, _)| documented != kind))
        .collect();
    assert!(measured.is_empty(), "docs/metrics.md does not say what these are: {measured:?}");
}

/// The sources of libraries and services, without their tests.
fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            read_all(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
