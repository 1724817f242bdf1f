//! `SessionService`: logins, refreshes, logouts and the key set.

use proto::user::v1::session_service_server::SessionService;
use proto::user::v1::{
    CreateSessionRequest, CreateSessionResponse, EndSessionRequest, EndSessionResponse, GetJwksRequest,
    GetJwksResponse, RefreshSessionRequest, RefreshSessionResponse, TokenPair as TokenPairMessage,
};
use secrecy::ExposeSecret as _;
use service::RequestContext;
use tonic::{Request, Response, Status};

use super::{UserGrpc, reject};
use crate::domain::{Credentials, TokenPair};

#[tonic::async_trait]
impl SessionService for UserGrpc {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let credentials = Credentials { email: request.email, password: request.password.into() };
        let pair = self.app.create_session(&context, credentials).await.map_err(reject)?;
        Ok(Response::new(CreateSessionResponse { tokens: Some(to_proto(&pair)) }))
    }

    async fn refresh_session(
        &self,
        request: Request<RefreshSessionRequest>,
    ) -> Result<Response<RefreshSessionResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let presented = request.into_inner().refresh_token.into();
        let pair = self.app.refresh_session(presented, context.deadline).await.map_err(reject)?;
        Ok(Response::new(RefreshSessionResponse { tokens: Some(to_proto(&pair)) }))
    }

    async fn end_session(&self, request: Request<EndSessionRequest>) -> Result<Response<EndSessionResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let caller = context.require_caller().map_err(reject)?;
        self.app.end_session(caller, context.deadline).await.map_err(reject)?;
        Ok(Response::new(EndSessionResponse {}))
    }

    async fn get_jwks(&self, _request: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { jwks: self.app.jwks().to_owned() }))
    }
}

fn to_proto(pair: &TokenPair) -> TokenPairMessage {
    TokenPairMessage {
        access_token: pair.access_token.expose_secret().to_owned(),
        refresh_token: pair.refresh_token.expose_secret().to_owned(),
        expires_in: pair.expires_in,
    }
}
