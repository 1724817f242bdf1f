//! The rules in the repository, and the command that generates them.

use super::*;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generate(into: PathBuf) -> Generate {
    Generate {
        from: root().join(FROM),
        into,
        check: false,
        runbooks: "docs/runbooks".to_owned(),
        scale: "1/1".parse().unwrap(),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_rules_in_the_repository_match_its_objectives() {
    let report = generate(root().join(INTO)).changes().unwrap();
    assert_eq!(report.changed.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "run `nines slo generate`");
}

#[test]
fn the_objectives_have_these_targets_and_periods() {
    let slos = read(&root().join(FROM)).unwrap();
    let targets = slos.iter().map(|slo| format!("{} {:.4} {}", slo.name, slo.target, slo.period));
    assert_eq!(
        targets.collect::<Vec<_>>(),
        [
            "catalogue-reads 0.9995 28d",
            "order-placement-availability 0.9999 28d",
            "order-placement-latency 0.9900 28d",
            "payment-success 0.9999 28d",
            "reconciliation-consistency 1.0000 1d",
            "user-authentication-latency 0.9900 7d",
        ]
    );
}

#[test]
fn a_check_reports_each_difference_and_changes_nothing() {
    let folder = folder();
    let into = folder.path().to_owned();
    assert_eq!(generate(into.clone()).run().unwrap(), ExitCode::SUCCESS);
    let check = || Generate { check: true, ..generate(into.clone()) };
    assert_eq!(check().run().unwrap(), ExitCode::SUCCESS);

    let changed = into.join("slo-payment-success.yaml");
    let text = fs::read_to_string(&changed).unwrap().replace("13.44", "1344");
    fs::write(&changed, &text).unwrap();
    fs::write(into.join("slo-of-the-past.yaml"), "groups: []\n").unwrap();
    let report = check().changes().unwrap();
    assert_eq!(report.changed.keys().collect::<Vec<_>>(), ["slo-of-the-past.yaml", "slo-payment-success.yaml"]);
    assert_eq!(check().run().unwrap(), ExitCode::FAILURE);
    assert_eq!(fs::read_to_string(&changed).unwrap(), text);

    assert_eq!(generate(into.clone()).run().unwrap(), ExitCode::SUCCESS);
    assert!(!into.join("slo-of-the-past.yaml").exists());
    assert_eq!(check().run().unwrap(), ExitCode::SUCCESS);
}

#[test]
fn the_runbooks_of_manually_written_alerts_are_updated_too() {
    let folder = folder();
    let into = folder.path().to_owned();
    fs::write(into.join("platform.yaml"), "# x\n- a:\n    runbook_url: docs/runbooks/ServiceDown.md\n").unwrap();
    let elsewhere = Generate { runbooks: "https://wiki.example/x/".to_owned(), ..generate(into.clone()) };
    elsewhere.run().unwrap();
    let platform = fs::read_to_string(into.join("platform.yaml")).unwrap();
    assert_eq!(platform, "# x\n- a:\n    runbook_url: https://wiki.example/x/ServiceDown.md\n");
    let made = fs::read_to_string(into.join("slo-payment-success.yaml")).unwrap();
    assert!(made.contains("runbook_url: \"https://wiki.example/x/PaymentsFail.md\""), "{made}");
}

#[test]
fn shortened_rules_keep_their_names_and_stay_out_of_the_repository() {
    let into = folder();
    let scale = || "1/60".parse().unwrap();
    let short = Generate { scale: scale(), ..generate(into.path().to_owned()) };
    short.run().unwrap();
    let text = fs::read_to_string(into.path().join("slo-payment-success.yaml")).unwrap();
    for expected in [
        "interval: 1s",
        "slo:sli_error:ratio_rate1h{slo=\"payment-success\"} > 13.44 * 0.0001",
        "[5s]",
        "[1m]",
        "[11h12m]",
        ")) * 60 >= 5",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("[5m]") && !text.contains("[28d]"), "{text}");

    let error = Generate { scale: scale(), ..generate(INTO.into()) }.run().unwrap_err();
    assert!(error.to_string().contains("--into"), "{error}");
}

#[test]
fn the_metrics_and_routes_in_rules_and_runbooks_exist_in_the_services() {
    let root = root();
    let mut sources = String::new();
    for folder in ["services", "crates"] {
        rust_sources(&root.join(folder), &mut sources);
    }
    let mut queries = texts(&root.join(INTO), YAML).unwrap();
    assert!(queries.contains_key("platform.yaml"));
    queries.extend(texts(&root.join("docs/runbooks"), "md").unwrap());
    for (file, text) in queries {
        for metric in metrics(&text) {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| metric.strip_suffix(end));
            let known = |name: &str| sources.contains(&format!("\"{name}\""));
            assert!(known(metric) || base.is_some_and(known), "{file}: no service has {metric}");
        }
        for route in text.split("route=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(sources.contains(&format!("\"{route}\"")), "{file}: the gateway has no route {route}");
        }
    }
}

/// The metrics of the services in PromQL: words with a selector or a window that are not recorded by a rule.
fn metrics(text: &str) -> Vec<&str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.match_indices(['{', '[']).map(|(end, _)| {
        let start = text[..end].rfind(|c| !inside(c)).map_or(0, |before| before + 1);
        &text[start..end]
    });
    // Without `up` and Alertmanager's metrics, which are not the services'.
    let metrics = words.filter(|word| word.contains('_') && !word.contains(':') && !word.starts_with("alertmanager_"));
    metrics.collect()
}

fn rust_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
