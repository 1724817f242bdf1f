//! Metrics and spans of commands and connections, from the events of the driver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::event::command::{CommandEvent, CommandStartedEvent};
use mongodb::options::ClientOptions;
use service::telemetry;
use tracing::Span;

/// The most spans of concurrent commands; further commands are not traced.
const MAX_SPANS: usize = 10_000;

/// Observes every command and connection of a client.
pub(crate) fn observe(options: &mut ClientOptions) {
    let commands = Arc::new(Commands::default());
    options.command_event_handler = Some(EventHandler::callback(move |event| commands.handle(event)));
    options.cmap_event_handler = Some(EventHandler::callback(pool));
}

/// The spans of commands in flight, by the driver's request id.
#[derive(Debug, Default)]
struct Commands {
    spans: Mutex<HashMap<i32, Span>>,
}

impl Commands {
    fn handle(&self, event: CommandEvent) {
        match event {
            CommandEvent::Started(started) => self.begin(&started),
            CommandEvent::Succeeded(event) => {
                drop(self.take(event.request_id));
                record(event.command_name, "ok", event.duration.as_secs_f64());
            }
            CommandEvent::Failed(event) => {
                if let Some(span) = self.take(event.request_id) {
                    telemetry::fail(&span, "command_failed");
                }
                record(event.command_name, "failed", event.duration.as_secs_f64());
            }
            _ => {}
        }
    }

    fn begin(&self, started: &CommandStartedEvent) {
        // Commands outside of a request, such as waiting for changes, have no trace.
        if Span::current().is_disabled() {
            return;
        }
        let operation = started.command_name.as_str();
        let collection = ["collection", operation].iter().find_map(|field| started.command.get_str(field).ok());
        let span = tracing::info_span!(
            target: telemetry::STEP,
            "mongodb",
            otel.name = collection.map_or_else(
                || operation.to_owned(),
                |collection| format!("{operation} {collection}"),
            ),
            otel.kind = "client",
            db.system.name = "mongodb",
            db.namespace = started.db,
            db.operation.name = operation,
            db.collection.name = collection,
            server.address = %started.connection.address,
        );
        if span.is_disabled() {
            return;
        }
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() < MAX_SPANS {
            spans.insert(started.request_id, span);
        }
    }

    fn take(&self, request: i32) -> Option<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).remove(&request)
    }
}

fn record(command: String, outcome: &'static str, seconds: f64) {
    metrics::histogram!("mongo_command_duration_seconds", "command" => command, "outcome" => outcome).record(seconds);
}

fn pool(event: CmapEvent) {
    let gauge = |state| metrics::gauge!("mongo_pool_connections", "state" => state);
    match event {
        CmapEvent::ConnectionCreated(_) => gauge("open").increment(1.0),
        CmapEvent::ConnectionClosed(_) => gauge("open").decrement(1.0),
        CmapEvent::ConnectionCheckedOut(event) => {
            gauge("in_use").increment(1.0);
            metrics::histogram!("mongo_pool_wait_seconds").record(event.duration.as_secs_f64());
        }
        CmapEvent::ConnectionCheckedIn(_) => gauge("in_use").decrement(1.0),
        CmapEvent::ConnectionCheckoutFailed(_) => {
            metrics::counter!("mongo_pool_checkout_failures_total").increment(1);
        }
        _ => {}
    }
}
