//! `nines verify`: checks the books from the database alone.

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cli::{StackFolder, terminal};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use verify::verify;

/// The exit code when the books could not be checked; 1 means that they are wrong.
const NOT_CHECKED: u8 = 2;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// The database of a local stack.
const DEFAULT_DATABASE: &str = "fournines";

/// Check the books from the database alone: stock, orders, accounts and payments. Exits with 0 when they are right, 1
/// when they are wrong, 2 when they could not be checked.
#[derive(Debug, Args)]
pub struct Verify {
    /// The MongoDB connection string; by default that of the local stack.
    #[arg(long, value_name = "URI")]
    mongo_uri: Option<MongoUri>,
    /// The database at --mongo-uri; by default the one that the connection string names, or `fournines`.
    #[arg(long, value_name = "NAME", requires = "mongo_uri")]
    database: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: StackFolder,
}

/// A connection string, which may contain a password and is never printed.
#[derive(Clone)]
struct MongoUri(String);

impl FromStr for MongoUri {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for MongoUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MongoUri([redacted])")
    }
}

impl Verify {
    /// Runs the check and prints the report.
    ///
    /// # Errors
    /// When stdout can't be written to.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let checked = async {
            let database = self.database().await?;
            let _checking = terminal::spinner("checking the books");
            Ok::<_, anyhow::Error>(verify(&database).await?)
        };
        match checked.await {
            Ok(report) => {
                terminal::print(&report, self.json)?;
                Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Err(error) => {
                terminal::note(&format!("the books could not be checked: {error:#}"));
                Ok(ExitCode::from(NOT_CHECKED))
            }
        }
    }

    async fn database(&self) -> anyhow::Result<Database> {
        let (uri, named) = match &self.mongo_uri {
            Some(uri) => (uri.0.clone(), self.database.clone()),
            None => {
                let state = self.folder.running()?;
                (state.mongo_uri, Some(state.database))
            }
        };
        let mut options = ClientOptions::parse(uri).await.context("the connection string is not valid")?;
        options.app_name = Some("nines".to_owned());
        options.connect_timeout = Some(CONNECT_TIMEOUT);
        options.server_selection_timeout = Some(SERVER_SELECTION_TIMEOUT);
        let name = named.or_else(|| options.default_database.clone());
        let name = name.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        Ok(Client::with_options(options)?.database(&name))
    }
}
