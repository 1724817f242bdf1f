//! A collector of traces that keeps everything it is sent.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Collected {
    /// The process that sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Of what kind it is.
    pub kind: SpanKind,
    /// In hexadecimal digits.
    pub trace: String,
    /// Its id.
    pub id: Vec<u8>,
    /// The id of the span that it is in; empty without one.
    pub parent: Vec<u8>,
    /// Whether it says that it failed.
    pub failed: bool,
    /// Its attributes, as text.
    pub attributes: HashMap<String, String>,
    /// The ids of other spans that it points to.
    pub links: Vec<Vec<u8>>,
}

/// Receives OTLP over gRPC. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<Collected>>>,
    /// The processes that it left without an answer, once it hangs.
    unanswered: Arc<Mutex<Option<BTreeSet<String>>>>,
}

impl Collector {
    /// Serves on any free port until the runtime ends; gives the collector and its endpoint.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        service::Shell::without_admin().tasks.spawn("collector", service::OnFailure::Log, serving);
        (collector, endpoint)
    }

    /// What has arrived.
    pub fn spans(&self) -> Vec<Collected> {
        self.spans.lock().unwrap().clone()
    }

    /// What has arrived of a trace.
    pub fn trace(&self, trace: &str) -> Vec<Collected> {
        self.spans.lock().unwrap().iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// From now on it answers nobody.
    pub fn hang(&self) {
        *self.unanswered.lock().unwrap() = Some(BTreeSet::new());
    }

    /// The processes that it has left without an answer.
    pub fn unanswered(&self) -> BTreeSet<String> {
        self.unanswered.lock().unwrap().clone().unwrap_or_default()
    }

    /// Whether it hangs; takes note of whom it leaves without an answer then.
    fn leaves(&self, request: &ExportTraceServiceRequest) -> bool {
        let mut unanswered = self.unanswered.lock().unwrap();
        let Some(unanswered) = unanswered.as_mut() else { return false };
        let processes = request.resource_spans.iter().filter_map(|spans| spans.resource.clone());
        unanswered.extend(processes.map(|process| name(&attributes(process.attributes))));
        true
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.leaves(request.get_ref()) {
            std::future::pending::<()>().await;
        }
        for resource in request.into_inner().resource_spans {
            let service = name(&attributes(resource.resource.unwrap_or_default().attributes));
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let spans = spans.map(|span| Collected {
                service: service.clone(),
                kind: span.kind(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: span.span_id,
                parent: span.parent_span_id,
                failed: span.status.unwrap_or_default().code() == StatusCode::Error,
                attributes: attributes(span.attributes),
                links: span.links.into_iter().map(|link| link.span_id).collect(),
            });
            self.spans.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn name(of_process: &HashMap<String, String>) -> String {
    of_process.get("service.name").cloned().unwrap_or_default()
}

fn attributes(given: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        other => format!("{other:?}"),
    };
    given.into_iter().filter_map(|KeyValue { key, value, .. }| Some((key, text(value?.value?)))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
