//! The services of the platform, run as processes on a [`crate::Backing`].

mod config;
mod roster;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt};

use self::roster::{Instance, Kind};
pub use self::secrets::{ADMIN_EMAIL, Secrets};
use crate::ports::PortBook;
use crate::process::{Process, ProcessSpec};
use crate::wait::{self, Look};
use crate::{Connection, Error, Progress, Result, files};

/// The services that may have several processes, besides order.
pub const REPLICATED: [&str; 4] = {
    let [user, inventory, payment, gateway] = Kind::REPLICATED;
    [user.name(), inventory.name(), payment.name(), gateway.name()]
};

/// How long a service may drain before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How long one readiness request may take.
const PROBE_BOUND: Duration = Duration::from_secs(1);

/// How to start a [`Platform`].
#[derive(Debug, Clone)]
pub struct PlatformOptions {
    /// The database that all services use, each with its own collections.
    pub database: String,
    /// The folder for settings, secrets, logs and the ports that were used last.
    pub dir: PathBuf,
    /// The number of order services, at least one.
    pub order_replicas: usize,
    /// The number of processes of the services in [`REPLICATED`], by service; by default one. Several are called
    /// `user-1`, `user-2` …, one is called `user`.
    pub replicas: BTreeMap<String, usize>,
    /// Settings that override the generated ones, by service (`order`) or by process (`order-1`). Tables are merged
    /// deeply, other values are replaced.
    pub overrides: BTreeMap<String, toml::Table>,
    /// The folder of the binaries; `None` for that of the current executable (for a test, the folder above it).
    pub bin_dir: Option<PathBuf>,
    /// How long a migration may take.
    pub migrate_timeout: Duration,
    /// How long all services together may take to be ready.
    pub ready_timeout: Duration,
}

impl PlatformOptions {
    /// Two order services, one of each other, no overrides.
    pub fn new(database: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            database: database.into(),
            dir: dir.into(),
            order_replicas: 2,
            replicas: BTreeMap::new(),
            overrides: BTreeMap::new(),
            bin_dir: None,
            migrate_timeout: Duration::from_secs(60),
            ready_timeout: Duration::from_secs(60),
        }
    }
}

/// One running service process.
#[derive(Debug)]
struct Service {
    instance: Instance,
    process: Process,
}

/// The running services. Dropping it kills them; [`Platform::stop`] lets them drain.
#[derive(Debug)]
pub struct Platform {
    services: Vec<Service>,
    secrets: Secrets,
    database: String,
    http: reqwest::Client,
}

impl Platform {
    /// Writes the settings, migrates, starts every service at once and waits until all are ready.
    ///
    /// # Errors
    /// [`Error::Replicas`]; [`Error::NotBuilt`]; [`Error::Exited`] when a migration fails or a service ends;
    /// [`Error::TimedOut`] with the service that was not ready and the end of its log. Started processes are stopped.
    pub async fn start(connection: &Connection, options: PlatformOptions, progress: &Progress) -> Result<Self> {
        for folder in ["logs", "config"] {
            files::create_dir(&options.dir.join(folder))?;
        }
        let bin_dir = options.bin_dir.clone().map_or_else(default_bin_dir, Ok)?;
        let secrets = Secrets::open(&options.dir.join("secrets"))?;
        let mut book = PortBook::open(&options.dir.join("ports.json"))?;
        let instances = roster::assign(options.order_replicas, &options.replicas, &mut book)?;
        let mut specs = Vec::with_capacity(instances.len());
        for instance in &instances {
            let settings = config::settings(instance, &instances, connection, &options.database, &secrets)?;
            specs.push(spec(instance, config::merged(settings, instance, &options.overrides), &options, &bin_dir)?);
        }
        progress.step("migrations", migrate(&instances, &specs, options.migrate_timeout)).await?;

        let pairs = instances.into_iter().zip(specs);
        let services = pairs
            .map(|(instance, spec)| Ok(Service { process: Process::start(spec)?, instance }))
            .collect::<Result<Vec<_>>>()?;
        let http = reqwest::Client::builder().timeout(PROBE_BOUND).build().map_err(std::io::Error::other);
        let http = http.map_err(|source| Error::Io { what: "can't make an HTTP client".into(), source })?;
        let platform = Self { services, secrets, database: options.database, http };
        progress.step("services", platform.wait_until_ready(options.ready_timeout)).await?;
        Ok(platform)
    }

    /// The REST API, as `http://127.0.0.1:PORT`; that of the first gateway if there are several.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        self.gateway_urls().into_iter().next().unwrap_or_default()
    }

    /// The REST API of each gateway.
    #[must_use]
    pub fn gateway_urls(&self) -> Vec<String> {
        let gateways = self.services.iter().filter(|service| service.instance.kind == Kind::Gateway);
        gateways.map(|service| service.instance.url()).collect()
    }

    /// The gRPC address of a service, or of its first process if it has several, as `http://127.0.0.1:PORT`.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn grpc_url(&self, name: &str) -> Result<String> {
        self.find(name).map(|service| service.instance.url())
    }

    /// The admin address (`/healthz`, `/readyz`, `/metrics`) of a service or process.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn admin_url(&self, name: &str) -> Result<String> {
        self.find(name).map(|service| service.instance.admin_url())
    }

    /// A process by its name (`order-1`), or a service's first process (`order`).
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn process(&self, name: &str) -> Result<&Process> {
        self.find(name).map(|service| &service.process)
    }

    /// Every process with its main port and admin address.
    pub fn processes(&self) -> impl Iterator<Item = (&Process, u16, String)> {
        self.services.iter().map(|s| (&s.process, s.instance.port, s.instance.admin_url()))
    }

    /// The secrets that the services share.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The database that the services use.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Waits until every `/readyz` gives 200.
    ///
    /// # Errors
    /// [`Error::Exited`], [`Error::TimedOut`].
    pub async fn wait_until_ready(&self, bound: Duration) -> Result<()> {
        try_join_all(self.services.iter().map(|service| self.wait_for(service, bound))).await.map(drop)
    }

    /// Waits until one process is ready, for example after a restart.
    ///
    /// # Errors
    /// As [`Platform::wait_until_ready`], and [`Error::Unknown`].
    pub async fn wait_until_ready_one(&self, name: &str, bound: Duration) -> Result<()> {
        self.wait_for(self.find(name)?, bound).await
    }

    /// Restarts a process that has ended, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Platform::wait_until_ready_one`], and [`Error::Io`] when it can't be started.
    pub async fn start_again(&self, name: &str, bound: Duration) -> Result<()> {
        let service = self.find(name)?;
        service.process.start_again()?;
        self.wait_for(service, bound).await
    }

    /// Waits until a process ends unexpectedly, and returns it.
    pub async fn ended_unasked(&self) -> Error {
        let mut ends: FuturesUnordered<_> = self.services.iter().map(|s| s.process.ended_unasked()).collect();
        match ends.next().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops everything, the gateways first, so that requests under way still reach their services.
    ///
    /// # Errors
    /// The first failure. The other processes are stopped all the same.
    pub async fn stop(self) -> Result<()> {
        let (edge, inner): (Vec<_>, Vec<_>) = self.services.iter().partition(|s| s.instance.kind == Kind::Gateway);
        let mut results = join_all(edge.iter().map(|service| service.process.terminate(STOP_GRACE))).await;
        results.extend(join_all(inner.iter().map(|service| service.process.terminate(STOP_GRACE))).await);
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    fn find(&self, name: &str) -> Result<&Service> {
        let by_process = self.services.iter().find(|service| service.instance.name == name);
        let found = by_process.or_else(|| self.services.iter().find(|service| service.instance.kind.name() == name));
        found.ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    async fn wait_for(&self, service: &Service, bound: Duration) -> Result<()> {
        let url = format!("{}/readyz", service.instance.admin_url());
        let what = format!("{} was not ready", service.instance.name);
        let waited = wait::until(&what, bound, async || {
            service.process.check()?;
            Ok(match self.http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Look::Ready(()),
                Ok(answer) => Look::NotYet(format!("{url} answers {}", answer.status())),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await;
        waited.map_err(|error| with_log(error, service.process.log()))
    }
}

/// Adds the end of a log, which has the cause, to a time-out.
fn with_log(error: Error, log: &Path) -> Error {
    match error {
        Error::TimedOut { what, after, last } => {
            let tail = files::tail(log, 10).unwrap_or_else(|error| error.to_string());
            let last = format!("{last}; the last lines of {}:\n{tail}", log.display());
            Error::TimedOut { what, after, last }
        }
        other => other,
    }
}

/// The folder of our binaries: that of `nines`. A test's executable is one folder deeper.
///
/// # Errors
/// [`Error::Io`].
pub fn default_bin_dir() -> Result<PathBuf> {
    let executable = std::env::current_exe()
        .map_err(|source| Error::Io { what: "can't find the path of this executable".into(), source })?;
    let folder = executable.parent().unwrap_or(Path::new("."));
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    Ok(above.unwrap_or(folder).to_owned())
}

fn spec(instance: &Instance, settings: toml::Table, options: &PlatformOptions, bin_dir: &Path) -> Result<ProcessSpec> {
    let program = bin_dir.join(format!("fournines-{}", instance.kind.name()));
    if !program.is_file() {
        return Err(Error::NotBuilt { program });
    }
    let path = options.dir.join("config").join(format!("{}.toml", instance.name));
    let text = toml::to_string(&settings).map_err(|error| Error::format(&path, error))?;
    files::write_atomically(&path, text.as_bytes(), 0o600)?;
    Ok(ProcessSpec {
        name: instance.name.clone(),
        program,
        args: vec!["--config".into(), path.into(), "serve".into()],
        env: Vec::new(),
        log: options.dir.join("logs").join(format!("{}.log", instance.name)),
    })
}

/// Runs the migrations of every service that has any, at once: they hold their own lock.
async fn migrate(instances: &[Instance], specs: &[ProcessSpec], bound: Duration) -> Result<()> {
    let firsts = instances.iter().zip(specs).filter(|(instance, _)| instance.migrates());
    try_join_all(firsts.map(async |(instance, spec)| {
        let mut spec = spec.clone();
        spec.name = format!("{} migrate", instance.kind.name());
        spec.args.pop();
        spec.args.push("migrate".into());
        let migration = Process::start(spec)?;
        match migration.wait(bound).await {
            Some(status) if status.success() => Ok(()),
            Some(_failed) => migration.check(),
            None => {
                let what = format!("{} did not end", migration.name());
                let error = Error::TimedOut { what, after: bound, last: "still running".into() };
                Err(with_log(error, migration.log()))
            }
        }
    }))
    .await
    .map(drop)
}
