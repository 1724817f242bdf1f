//! A bare actix-web handler that returns given bytes, in a process of its own like the gateway: the upper bound that
//! the framework sets on this machine.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use cli::terminal;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long the server may take to start, and to end.
const BOUND: Duration = Duration::from_secs(10);
/// The largest body.
const BODY_LIMIT: u64 = 1024 * 1024;

/// Serve the bytes of stdin as JSON at every path, on a free port that is printed, until killed. `bench gateway` starts
/// it.
#[derive(Debug, Args)]
pub(crate) struct Bare {}

impl Bare {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut body = Vec::new();
        // Blocking is harmless, as nothing else runs yet.
        std::io::stdin().take(BODY_LIMIT).read_to_end(&mut body)?;
        let body = Bytes::from(body);
        let answer = move |body: web::Data<Bytes>| async move {
            HttpResponse::Ok().content_type("application/json").body(Bytes::clone(&body))
        };
        let server =
            HttpServer::new(move || App::new().app_data(web::Data::new(body.clone())).default_service(web::to(answer)));
        let server = server.tcp_nodelay(true).bind("127.0.0.1:0")?;
        let address = server.addrs().first().copied().context("no address was bound")?;
        terminal::line(address.to_string())?;
        server.run().await.context("the bare server failed")
    }
}

/// The process with the bare handler.
pub(super) struct Server {
    /// Killed when this is dropped.
    child: Child,
    authority: String,
}

impl Server {
    /// Starts a process that returns these bytes.
    ///
    /// # Errors
    /// When it does not print its address in time.
    pub(super) async fn start(body: &Bytes) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program")?;
        let mut child = Command::new(program)
            .arg("bare")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().context("the bare server has no stdin")?;
        stdin.write_all(body).await?;
        drop(stdin);
        let stdout = child.stdout.take().context("the bare server has no stdout")?;
        let mut line = String::new();
        tokio::time::timeout(BOUND, BufReader::new(stdout).read_line(&mut line)).await??;
        let authority = line.trim().to_owned();
        ensure!(!authority.is_empty(), "the bare server ended before it listened");
        Ok(Self { child, authority })
    }

    /// Its `host:port`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Kills the process.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(tokio::time::timeout(BOUND, self.child.kill()).await??)
    }
}
