//! The HTTP server: binds, serves, drains.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpServer, web};
use anyhow::Context as _;
use service::Shell;
use tokio::net::{TcpListener, TcpSocket};

use crate::app;
use crate::config::HttpConfig;
use crate::limits::Connection;
use crate::state::Gateway;

/// The time the server gets beyond its drain limit to stop its threads.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Binds the public port and logs the bound address.
pub(crate) fn bind(config: &HttpConfig) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = match config.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?; // a restart must not wait for connections of the previous process
        socket.bind(config.listen)?;
        socket.listen(config.backlog)
    };
    let listener = bind().with_context(|| format!("http: failed to bind {}", config.listen))?;
    tracing::info!(listener = "http", address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// Serves until the drain, which is bounded by `drain_timeout_ms`.
pub(crate) async fn serve(
    shell: &Shell,
    config: &HttpConfig,
    listener: TcpListener,
    gateway: Arc<Gateway>,
) -> anyhow::Result<()> {
    let gateway = web::Data::from(gateway);
    let workers = NonZeroUsize::new(config.workers).or_else(|| std::thread::available_parallelism().ok());
    let server = HttpServer::new(move || app::build(gateway.clone()))
        .workers(workers.map_or(1, NonZeroUsize::get))
        .max_connections(config.max_connections)
        .keep_alive(config.keep_alive())
        .client_request_timeout(config.client_request_timeout())
        .tcp_nodelay(true)
        .on_connect(|_, extensions| Connection::attach(extensions))
        .disable_signals() // the shell handles them
        .shutdown_timeout(config.drain_timeout_ms.div_ceil(1_000))
        .listen(listener.into_std()?)?
        .run();
    let handle = server.handle();
    shell.readiness.serve();
    let drain = shell.drain_signal();
    let overdue = async {
        drain.cancelled().await;
        let limit = config.drain_timeout() + STOP_WITHIN;
        if tokio::time::timeout(limit, handle.stop(true)).await.is_ok() {
            std::future::pending::<()>().await; // the server's own future ends now
        }
    };
    tokio::select! {
        served = server => served.context("the HTTP server failed"),
        () = overdue => {
            tracing::warn!("requests were still in flight at the end of the drain");
            Ok(())
        }
    }
}
