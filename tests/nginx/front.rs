//! A running nginx with the template of `deploy/nginx` filled in.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use devstack::{Process, ProcessSpec};
use end_to_end::{Client, Reply, eventually};
use reqwest::Method;
use tempfile::TempDir;

/// The user and group `nobody` of Debian: root would hide what a plain user may not do.
const NOBODY: u32 = 65_534;

/// An nginx; it ends with the test.
pub(crate) struct Front {
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    http: reqwest::Client,
    // Ends before its folder does.
    _process: Process,
    dir: TempDir,
}

impl Front {
    /// Starts it before these gateways (`host:port`) with other settings than the usual ones, by the names of their
    /// variables; the settings must please `nginx -t`.
    pub(crate) async fn start(gateways: &[String], settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let address = format!("127.0.0.1:{}", devstack::ports::pick(1).unwrap()[0]);
        render(dir.path(), &address, gateways, settings);
        let (program, args) = command(dir.path());
        // It opens its standard output by name, so that has to be a file it may open.
        let log = std::fs::File::options().append(true).open(dir.path().join("log")).unwrap();
        let checked = Command::new(&program).args(&args).arg("-t").stdout(log).output().unwrap();
        assert!(checked.status.success(), "nginx -t: {}", String::from_utf8_lossy(&checked.stderr));

        let mut args: Vec<_> = args.into_iter().map(Into::into).collect();
        args.extend(["-g".into(), "daemon off;".into()]);
        let spec = ProcessSpec { name: "nginx".into(), program, args, env: Vec::new(), log: dir.path().join("log") };
        let process = Process::start(spec).unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let front = Self { address, http, _process: process, dir };
        eventually("nginx", async || {
            front.request(Method::GET, "/-/alive").send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        front
    }

    /// A request to a path.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// `GET`
    pub(crate) async fn get(&self, path: &str) -> Reply {
        Client::send(self.request(Method::GET, path)).await
    }

    /// The access log, a line a request, and what nginx complained of between them.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

/// Writes `nginx.conf`, and makes the folder that nginx may write to and the log, which it has to open by its name.
fn render(dir: &Path, address: &str, gateways: &[String], settings: &[(&str, &str)]) {
    let (run, log) = (dir.join("run"), dir.join("log"));
    std::fs::create_dir(&run).unwrap();
    std::fs::write(&log, "").unwrap();
    if is_root(dir) {
        chown(&run, Some(NOBODY), Some(NOBODY)).unwrap();
        chown(&log, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let rendered = Command::new(root().join("deploy/nginx/render"))
        .env("FRONT_GATEWAYS", gateways.join(","))
        .env("FRONT_LISTEN", address)
        .env("FRONT_DIR", &run)
        // A test has one address.
        .env("FRONT_CLIENT_RATE", "100000")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    std::fs::write(dir.join("nginx.conf"), rendered.stdout).unwrap();
    // Wherever it lies, a plain user can run a copy.
    std::fs::copy(nginx(), dir.join("nginx")).unwrap();
}

/// The program and its arguments, for this user or, of root, for nobody.
fn command(dir: &Path) -> (PathBuf, Vec<String>) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let args = ["-e", "stderr", "-p", &path("run"), "-c", &path("nginx.conf")].map(str::to_owned);
    if !is_root(dir) {
        return (dir.join("nginx"), args.to_vec());
    }
    let nobody = NOBODY.to_string();
    // SIGTERM and not SIGKILL, by which workers outlive their master.
    let mut as_nobody = ["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--pdeathsig", "TERM", "--"]
        .map(str::to_owned)
        .to_vec();
    as_nobody.push(path("nginx"));
    as_nobody.extend(args);
    ("setpriv".into(), as_nobody)
}

/// Whether this process is root: whoever makes a folder owns it.
fn is_root(own: &Path) -> bool {
    std::fs::metadata(own).unwrap().uid() == 0
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// That of `PATH`, or the one that `deploy/nginx/fetch` has unpacked.
fn nginx() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).map(|folder| folder.join("nginx")).collect();
    places.push(root().join("target/tools/nginx/usr/sbin/nginx"));
    let found = places.into_iter().find(|place| place.is_file());
    found.expect("there is no nginx: `make test-nginx` fetches one, or install it")
}
