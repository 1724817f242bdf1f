//! Stands in for the risk service: it answers as it is told to, or not at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use envelope::Error;
use primitives::OrderId;
use proto::risk::v1::risk_service_server::{RiskService, RiskServiceServer};
use proto::risk::v1::{
    AmountAbove, AssessRequest, AssessResponse, Assessment, Decision, GetAssessmentsRequest, GetAssessmentsResponse,
    GetRulesRequest, GetRulesResponse, ReplaceRulesRequest, ReplaceRulesResponse, Rule, Rules, rule,
};
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How it behaves. Cheap to clone; clones are one.
#[derive(Clone, Default)]
pub(crate) struct FakeRisk(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    /// It refuses every call.
    pub(crate) is_down: bool,
    /// How long it takes for a verdict.
    pub(crate) pause: Duration,
    /// It refuses every order.
    pub(crate) rejects: bool,
    /// Above which amount an order is refused by the rules that it serves.
    pub(crate) rejects_above: Option<i64>,
    /// The version of the rules that was last said to be at hand.
    pub(crate) known_rules: u64,
    /// What it has found about orders that it was asked to look at.
    pub(crate) reviews: HashMap<OrderId, Decision>,
    /// What it was asked to judge.
    pub(crate) asked: Vec<AssessRequest>,
}

impl FakeRisk {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    pub(crate) fn find(&self, order: OrderId, decision: Decision) {
        self.state().reviews.insert(order, decision);
    }

    /// Serves on any free port and gives its address.
    pub(crate) async fn serve(&self, shell: &Shell) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = Server::builder()
            .add_service(RiskServiceServer::new(self.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        shell.tasks.spawn("risk", OnFailure::Log, serving);
        address
    }

    fn check(&self) -> Result<(), Status> {
        if self.state().is_down { Err(Error::unavailable("a test").into_status()) } else { Ok(()) }
    }
}

fn assessment(order_id: String, decision: Decision) -> Assessment {
    Assessment { order_id, decision: decision.into(), ..Assessment::default() }
}

#[tonic::async_trait]
impl RiskService for FakeRisk {
    async fn assess(&self, request: Request<AssessRequest>) -> Result<Response<AssessResponse>, Status> {
        let request = request.into_inner();
        self.state().asked.push(request.clone());
        self.check()?;
        let pause = self.state().pause;
        tokio::time::sleep(pause).await;
        let decision = if self.state().rejects { Decision::Reject } else { Decision::Accept };
        Ok(Response::new(AssessResponse { assessment: Some(assessment(request.order_id, decision)) }))
    }

    async fn get_assessments(
        &self,
        request: Request<GetAssessmentsRequest>,
    ) -> Result<Response<GetAssessmentsResponse>, Status> {
        self.check()?;
        let state = self.state();
        let found = request.into_inner().order_ids.into_iter().filter_map(|order_id| {
            let decision = state.reviews.get(&order_id.parse().unwrap())?;
            Some(assessment(order_id, *decision))
        });
        Ok(Response::new(GetAssessmentsResponse { assessments: found.collect() }))
    }

    async fn get_rules(&self, request: Request<GetRulesRequest>) -> Result<Response<GetRulesResponse>, Status> {
        self.check()?;
        self.state().known_rules = request.get_ref().known_version;
        let amounts = self
            .state()
            .rejects_above
            .map(|amount| Rule { points: 100, when: Some(rule::When::AmountAbove(AmountAbove { amount })) });
        let version = if amounts.is_some() { 2 } else { 1 };
        let rules = Rules { reject_at: 100, rules: amounts.into_iter().collect() };
        let rules = (request.get_ref().known_version != version).then_some(rules);
        Ok(Response::new(GetRulesResponse { version, rules }))
    }

    async fn replace_rules(&self, _: Request<ReplaceRulesRequest>) -> Result<Response<ReplaceRulesResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }
}
