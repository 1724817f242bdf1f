//! Prometheus, Alertmanager and the relay as processes, with the project's own configuration but for addresses and
//! times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use devstack::{Process, ProcessSpec};
use end_to_end::{Shop, eventually};
use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Windows are so much shorter.
const SCALE: &str = "1/60";
const TOKEN: &str = "a-token-for-the-relay";

/// They end with the test.
pub(crate) struct Observers {
    prometheus: String,
    http: reqwest::Client,
    // End before their folder does.
    _processes: [Process; 3],
    _dir: TempDir,
}

impl Observers {
    /// Starts them; the robot hears of pages.
    pub(crate) async fn start(shop: &Shop, robot: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tools = run(Command::new(format!("{ROOT}/deploy/prometheus/fetch")));
        let tools = PathBuf::from(tools.trim());
        let ports = devstack::ports::pick(3).unwrap();
        let [prometheus, alertmanager, relay] = [0, 1, 2].map(|number| format!("127.0.0.1:{}", ports[number]));
        let processes = [
            start_relay(dir.path(), &relay, robot),
            start_alertmanager(dir.path(), &tools, &alertmanager, &relay),
            start_prometheus(dir.path(), &tools, &prometheus, &alertmanager, shop),
        ];
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        for (what, address) in [("prometheus", &prometheus), ("alertmanager", &alertmanager)] {
            let url = format!("http://{address}/-/ready");
            eventually(what, async || http.get(&url).send().await.is_ok_and(|ready| ready.status() == 200)).await;
        }
        let prometheus = format!("http://{prometheus}");
        Self { prometheus, http, _processes: processes, _dir: dir }
    }

    pub(crate) fn prometheus_url(&self) -> String {
        self.prometheus.clone()
    }

    /// The processes that are not scraped.
    pub(crate) async fn down(&self) -> Vec<String> {
        let targets = self.get("/api/v1/targets", &[]).await;
        let targets = targets["activeTargets"].as_array().unwrap();
        let down = targets.iter().filter(|target| target["health"] != "up");
        down.map(|target| format!("{}: {}", target["labels"]["job"], target["lastError"])).collect()
    }

    /// The rules that could not be evaluated, or have not been.
    pub(crate) async fn rules_not_well(&self) -> Vec<String> {
        let groups = self.get("/api/v1/rules", &[]).await;
        let rules = groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        let rules: Vec<_> = rules.collect();
        assert!(rules.len() > 50, "only {} rules are there", rules.len());
        let unwell = rules.into_iter().filter(|rule| rule["health"] != "ok");
        unwell.map(|rule| format!("{}: {} {}", rule["name"], rule["health"], rule["lastError"])).collect()
    }

    /// The names of the alerts that the rules have.
    pub(crate) async fn alerts(&self) -> BTreeSet<String> {
        let groups = self.get("/api/v1/rules", &[("type", "alert")]).await;
        let rules = groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The result of an expression at this moment.
    pub(crate) async fn query(&self, expression: &str) -> Value {
        self.get("/api/v1/query", &[("query", expression)]).await["result"].take()
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("{}{path}", self.prometheus), query).unwrap();
        let answer = self.http.get(url).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{query:?}: {answer}");
        answer["data"].take()
    }
}

fn start_prometheus(dir: &Path, tools: &Path, address: &str, alertmanager: &str, shop: &Shop) -> Process {
    let rules = dir.join("rules");
    fs::create_dir(&rules).unwrap();
    fs::copy(format!("{ROOT}/deploy/prometheus/rules/platform.yaml"), rules.join("platform.yaml")).unwrap();
    let mut generate = Command::new(crate::nines());
    generate.args(["slo", "generate", "--scale", SCALE, "--from", &format!("{ROOT}/deploy/slo"), "--into"]);
    generate.arg(&rules);
    run(generate);
    let jobs: Vec<_> = shop
        .platform
        .processes()
        .map(|(process, _, admin)| {
            // As everywhere, the job is the service, whichever of its replicas it is.
            let name = process.name();
            let job = name.rsplit_once('-').filter(|(_, number)| number.parse::<u32>().is_ok());
            let job = job.map_or(name, |(service, _)| service);
            json!({ "targets": [admin.trim_start_matches("http://")], "labels": { "job": job } })
        })
        .collect();
    let config = json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
        "rule_files": [format!("{}/*.yaml", rules.display())],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [alertmanager] }] }] },
        "scrape_configs": [{ "job_name": "fournines", "static_configs": jobs }],
    });
    // YAML is a superset of JSON.
    let file = dir.join("prometheus.yml");
    fs::write(&file, config.to_string()).unwrap();
    start(
        "prometheus",
        dir,
        tools.join("prometheus"),
        &[
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", dir.join("tsdb").display()),
            format!("--web.listen-address={address}"),
        ],
    )
}

fn start_alertmanager(dir: &Path, tools: &Path, address: &str, relay: &str) -> Process {
    let config = fs::read_to_string(format!("{ROOT}/deploy/alertmanager/alertmanager.yml")).unwrap();
    let secrets = dir.join("secrets");
    fs::create_dir(&secrets).unwrap();
    fs::write(secrets.join("relay-token"), TOKEN).unwrap();
    fs::write(secrets.join("smtp-password"), "none").unwrap();
    let changes = [
        ("/etc/alertmanager/secrets", secrets.to_str().unwrap()),
        // Nobody listens there: mail is not tested.
        ("smtp.example.com:587", "127.0.0.1:9"),
        ("alerts-relay:9096", relay),
        ("group_wait: 10s", "group_wait: 1s"),
        ("group_wait: 30s", "group_wait: 1s"),
    ];
    let config = changes.iter().fold(config, |config, (usual, ours)| {
        assert!(config.contains(usual), "alertmanager.yml has no {usual} any more");
        config.replace(usual, ours)
    });
    let file = dir.join("alertmanager.yml");
    fs::write(&file, config).unwrap();
    start(
        "alertmanager",
        dir,
        tools.join("alertmanager"),
        &[
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", dir.join("alertmanager").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ],
    )
}

fn start_relay(dir: &Path, address: &str, robot: &str) -> Process {
    let file = |name: &str, content: &str| {
        let path = dir.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    start(
        "relay",
        dir,
        crate::nines(),
        &[
            "alerts".to_owned(),
            "relay".to_owned(),
            format!("--listen={address}"),
            format!("--to-file={}", file("robot", robot)),
            format!("--secret-file={}", file("secret", "SECtest")),
            format!("--token-file={}", file("token", TOKEN)),
        ],
    )
}

fn start(name: &str, dir: &Path, program: PathBuf, args: &[String]) -> Process {
    let args = args.iter().map(Into::into).collect();
    let log = dir.join(format!("{name}.log"));
    Process::start(ProcessSpec { name: name.into(), program, args, env: Vec::new(), log }).unwrap()
}

fn run(mut command: Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
