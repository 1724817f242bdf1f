//! The outermost layer. Answers from memory where it can: with a fresh copy of the catalogue, or under overload with a
//! stale copy or a refusal, each at a fraction of the cost of a full request. Assigns every other request an id, admits
//! it, measures it and logs it.

mod access;
mod admission;
mod fast_path;
mod headers;
mod identity;
mod refuse;

use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpResponse, web};
use envelope::Reason;
use futures::future::{Either, LocalBoxFuture};
use service::telemetry;
use tracing::{Instrument as _, Span};

use crate::exchange::{Exchange, client_address};
use crate::state::Gateway;
use crate::{middleware, routes};
pub(crate) use access::count_from_zero;
use admission::Admission;
use fast_path::FastPath;
use identity::{TRACEPARENT, X_REQUEST_ID};

/// Creates the layer, once per worker.
#[derive(Debug, Clone)]
pub(crate) struct Front(web::Data<Gateway>);

/// The layer.
#[derive(Debug)]
pub(crate) struct FrontService<S> {
    gateway: web::Data<Gateway>,
    fast_path: FastPath,
    inner: S,
}

impl Front {
    pub(crate) fn new(gateway: web::Data<Gateway>) -> Self {
        Self(gateway)
    }
}

impl<S, B> Transform<S, ServiceRequest> for Front
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = FrontService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let gateway = self.0.clone();
        ready(Ok(FrontService { fast_path: FastPath::new(gateway.clone()), gateway, inner }))
    }
}

type Served<B> = Result<ServiceResponse<EitherBody<B>>, Error>;

impl<S, B> Service<ServiceRequest> for FrontService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<Ready<Served<B>>, LocalBoxFuture<'static, Served<B>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let arrived = Instant::now();
        match self.fast_path.answer(&request, arrived) {
            Some(answer) => immediate(request, answer),
            None => self.pass_on(request, arrived),
        }
    }
}

impl<S, B> FrontService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    fn pass_on(&self, request: ServiceRequest, arrived: Instant) -> <Self as Service<ServiceRequest>>::Future {
        let exchange = Rc::new(self.exchange(&request));
        let admission = match Admission::take(&self.gateway.limits, &request, exchange.target) {
            Ok(admission) => admission,
            Err(error) => {
                if error.reason() == Reason::Overloaded
                    && let Some(answer) = self.fast_path.stale_answer(&request, &exchange, arrived)
                {
                    return immediate(request, answer);
                }
                let answer = refuse::answer(&error, &self.gateway, request.headers(), &exchange.request_id);
                access::refused(&exchange, request.method(), error.reason(), arrived);
                return immediate(request, answer);
            }
        };
        exchange.attach(&request);
        let method = access::label(request.method());
        let (span, trace) = identity::span(&exchange, method, request.headers());
        let serving = self.inner.call(request);
        let served = async move {
            let mut result = serving.await;
            let status = match &result {
                Ok(response) => response.status(),
                Err(error) => error.as_response_error().status_code(),
            };
            admission.settle(status, &exchange);
            access::served(&exchange, method, status, arrived, trace.id.as_deref());
            telemetry::end_request(&Span::current(), status.as_u16());
            let own = [(X_REQUEST_ID, HeaderValue::from_str(&exchange.request_id).ok()), (TRACEPARENT, trace.parent)];
            match &mut result {
                Ok(response) => add(response.headers_mut(), &own),
                Err(error) => error.add_response_mapper(move |mut response| {
                    add(response.headers_mut(), &own);
                    response
                }),
            }
            result.map(ServiceResponse::map_into_left_body)
        };
        Either::Right(Box::pin(served.instrument(span)))
    }

    fn exchange(&self, request: &ServiceRequest) -> Exchange {
        let target = routes::target(request);
        let headers = request.headers();
        let peer = request.peer_addr().map(|peer| peer.ip());
        Exchange::new(
            identity::request_id(headers),
            target,
            self.gateway.deadlines.budget(target.endpoint()),
            client_address(peer, headers, self.gateway.http.trusted_proxy_hops),
            middleware::wants_problem(headers),
        )
    }
}

fn immediate<B, F>(request: ServiceRequest, answer: HttpResponse) -> Either<Ready<Served<B>>, F> {
    Either::Left(ready(Ok(request.into_response(answer).map_into_right_body())))
}

fn add(headers: &mut HeaderMap, own: &[(HeaderName, Option<HeaderValue>)]) {
    for (name, value) in own {
        if let Some(value) = value {
            headers.insert(name.clone(), value.clone());
        }
    }
}
