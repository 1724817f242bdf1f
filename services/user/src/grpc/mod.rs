//! Users and sessions over gRPC: protobuf to domain and back.

mod sessions;
mod users;

use std::sync::Arc;

use envelope::Error;
use tonic::Status;

use crate::app::App;
use crate::error::UserError;

/// Both services of this process.
#[derive(Clone)]
pub(crate) struct UserGrpc {
    app: Arc<App>,
}

impl UserGrpc {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

fn reject(error: impl Into<UserError>) -> Status {
    service::grpc::reject(Error::from(error.into()))
}
