//! `UserService`: registration and profiles.

use envelope::Error;
use primitives::{ParseError, UserId};
use proto::user::v1::user_service_server::UserService;
use proto::user::v1::{
    GetUserRequest, GetUserResponse, ListUsersRequest, ListUsersResponse, RegisterUserRequest, RegisterUserResponse,
    Role as RoleMessage, UpdateUserRequest, UpdateUserResponse, User as UserMessage,
};
use service::{RequestContext, Role};
use tonic::{Request, Response, Status};

use super::{UserGrpc, reject};
use crate::domain::{Registration, User, parse_change};
use crate::error::UserError;

#[tonic::async_trait]
impl UserService for UserGrpc {
    async fn register_user(
        &self,
        request: Request<RegisterUserRequest>,
    ) -> Result<Response<RegisterUserResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let registration = Registration::parse(&request.name, &request.email, request.password.into())
            .map_err(UserError::Invalid)
            .map_err(reject)?;
        let user = self.app.register_user(registration, context.deadline).await.map_err(reject)?;
        Ok(Response::new(RegisterUserResponse { user: Some(to_proto(user)) }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<GetUserResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let caller = context.require_caller().map_err(reject)?;
        let id = match request.get_ref().user_id.as_str() {
            "" => caller.user_id,
            text => parse_id(text).map_err(reject)?,
        };
        let user = self.app.get_user(caller, id, context.deadline).await.map_err(reject)?;
        Ok(Response::new(GetUserResponse { user: Some(to_proto(user)) }))
    }

    async fn update_user(&self, request: Request<UpdateUserRequest>) -> Result<Response<UpdateUserResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let caller = context.require_caller().map_err(reject)?;
        let request = request.into_inner();
        let change = parse_change(request.name.as_deref(), request.email.as_deref())
            .map_err(UserError::Invalid)
            .map_err(reject)?;
        let updated = self.app.update_user(caller, request.expected_version, change, context.deadline).await;
        Ok(Response::new(UpdateUserResponse { user: Some(to_proto(updated.map_err(reject)?)) }))
    }

    async fn list_users(&self, request: Request<ListUsersRequest>) -> Result<Response<ListUsersResponse>, Status> {
        let context = RequestContext::from_request(&request);
        context.require_admin().map_err(reject)?;
        let page = request.into_inner().page.unwrap_or_default();
        let listed = self.app.list_users(page.page_size, &page.page_token, context.deadline).await;
        let (users, next_page_token) = listed.map_err(reject)?;
        Ok(Response::new(ListUsersResponse { users: users.into_iter().map(to_proto).collect(), next_page_token }))
    }
}

fn parse_id(text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|error: ParseError| Error::invalid("id", error.to_string()))
}

fn to_proto(user: User) -> UserMessage {
    let role = match user.role {
        Role::Customer => RoleMessage::Customer,
        Role::Admin => RoleMessage::Admin,
    };
    UserMessage {
        id: user.id.to_string(),
        name: user.name.as_str().to_owned(),
        email: user.email.as_str().to_owned(),
        role: role.into(),
        version: user.version,
        created_at: Some(proto::from_timestamp(user.created_at)),
    }
}
