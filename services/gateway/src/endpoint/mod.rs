//! The endpoints of the API as data, one [`Endpoint`] per operation. Routing, authorization and OpenAPI derive from it.

mod operation_id;
mod shape;

use actix_web::{Route, guard};
use envelope::Reason;
use resilience::Priority;
use utoipa::ToSchema;
use utoipa::openapi::{HttpMethod, RefOr, Schema};

pub(crate) use operation_id::{Budget, OperationId};
pub(crate) use shape::Shape;

/// The method of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads. `HEAD` is handled likewise, without the body.
    Get,
    /// Creates a resource or performs an action.
    Post,
    /// Updates some fields.
    Patch,
    /// Removes a resource.
    Delete,
}

impl Verb {
    /// The method's name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The methods that it handles.
    pub(crate) fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
            Self::Post => &["POST"],
            Self::Patch => &["PATCH"],
            Self::Delete => &["DELETE"],
        }
    }

    /// The verb that handles a method.
    pub(crate) fn answering(method: &str) -> Option<Self> {
        match method {
            "GET" | "HEAD" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    pub(crate) fn guard(self) -> guard::AnyGuard {
        match self {
            Self::Get => guard::Any(guard::Get()).or(guard::Head()),
            Self::Post => guard::Any(guard::Post()),
            Self::Patch => guard::Any(guard::Patch()),
            Self::Delete => guard::Any(guard::Delete()),
        }
    }
}

impl From<Verb> for HttpMethod {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::Get,
            Verb::Post => Self::Post,
            Verb::Patch => Self::Patch,
            Verb::Delete => Self::Delete,
        }
    }
}

/// Who may call an endpoint. Checked before the handler runs, and again by the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anyone, without a token.
    Public,
    /// Any user.
    User,
    /// Any user; the service admits the owner of the resource only, and administrators where the operation allows it.
    Owner,
    /// Administrators.
    Admin,
}

/// The rate limit that a request counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Sessions,
    Orders,
    Browse,
    Other,
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> RefOr<Schema>,
}

/// The successful response of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Success {
    pub(crate) status: u16,
    /// The schema of `data`; none for a response without a body.
    pub(crate) data: Option<Shape>,
    /// Whether the body is `data` without the envelope.
    pub(crate) raw: bool,
    pub(crate) location: bool,
    pub(crate) etag: bool,
}

/// An endpoint: a method on a path.
#[derive(Debug)]
pub struct Endpoint {
    /// Its method.
    pub verb: Verb,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether it requires an `Idempotency-Key`.
    pub idempotent: bool,
    /// Whether it requires `If-Match`.
    pub versioned: bool,
    /// Its `operationId` in OpenAPI.
    pub id: &'static str,
    pub(crate) operation: OperationId,
    pub(crate) summary: &'static str,
    /// Its priority under overload.
    pub(crate) priority: Priority,
    rate: Rate,
    /// Whether its responses are cached.
    pub(crate) cached: bool,
    pub(crate) body: Option<Shape>,
    pub(crate) query: Vec<QueryParameter>,
    pub(crate) success: Success,
    /// The reasons for which the service may reject it, besides those of every endpoint of its kind.
    pub(crate) refusals: &'static [Reason],
    pub(crate) handler: fn() -> Route,
}

impl Endpoint {
    pub(crate) fn new(
        verb: Verb,
        path: &'static str,
        access: Access,
        operation: OperationId,
        handler: fn() -> Route,
    ) -> Self {
        let success = Success { status: 200, data: None, raw: false, location: false, etag: false };
        Self {
            verb,
            path,
            access,
            idempotent: false,
            versioned: false,
            id: operation.name(),
            operation,
            summary: "",
            priority: Priority::Order,
            rate: Rate::Other,
            cached: false,
            body: None,
            query: Vec::new(),
            success,
            refusals: &[],
            handler,
        }
    }

    pub(crate) fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    pub(crate) fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    pub(crate) fn versioned(self) -> Self {
        Self { versioned: true, ..self }
    }

    /// Reads the catalogue.
    pub(crate) fn browses(self) -> Self {
        Self { priority: Priority::Browse, rate: Rate::Browse, ..self }
    }

    /// Its responses are cached.
    pub(crate) fn cached(self) -> Self {
        Self { cached: true, ..self }
    }

    /// Has the priority of browsing.
    pub(crate) fn can_wait(self) -> Self {
        Self { priority: Priority::Browse, ..self }
    }

    /// Logs in or registers.
    pub(crate) fn admits(self) -> Self {
        Self { rate: Rate::Sessions, ..self }
    }

    /// Creates or changes an order.
    pub(crate) fn orders(self) -> Self {
        Self { rate: Rate::Orders, ..self }
    }

    /// Moves money.
    pub(crate) fn pays(self) -> Self {
        Self { priority: Priority::Pay, ..self }
    }

    pub(crate) fn takes<T: ToSchema>(self) -> Self {
        Self { body: Some(Shape::of::<T>()), ..self }
    }

    pub(crate) fn query(mut self, parameters: &[QueryParameter]) -> Self {
        self.query.extend_from_slice(parameters);
        self
    }

    /// 200 with this data.
    pub(crate) fn gives<T: ToSchema>(mut self) -> Self {
        self.success.data = Some(Shape::of::<T>());
        self
    }

    /// 201 with this data.
    pub(crate) fn creates<T: ToSchema>(mut self) -> Self {
        self.success.status = 201;
        self.gives::<T>()
    }

    /// 202 with this data: accepted, and completed asynchronously.
    pub(crate) fn begins<T: ToSchema>(mut self) -> Self {
        self.success.status = 202;
        self.gives::<T>()
    }

    /// 204.
    pub(crate) fn gives_nothing(mut self) -> Self {
        self.success.status = 204;
        self
    }

    /// Returns the data without the envelope.
    pub(crate) fn raw(mut self) -> Self {
        self.success.raw = true;
        self
    }

    pub(crate) fn with_location(mut self) -> Self {
        self.success.location = true;
        self
    }

    pub(crate) fn with_etag(mut self) -> Self {
        self.success.etag = true;
        self
    }

    pub(crate) fn refuses(self, refusals: &'static [Reason]) -> Self {
        Self { refusals, ..self }
    }

    /// The rate limit that it counts towards. Endpoints without a service behind them are not limited: probes and
    /// scrapes must not fail.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.is_api().then_some(self.rate)
    }

    /// Whether it belongs to the versioned API, and so has a service behind it.
    pub(crate) fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }
}

/// A path of the API, with its endpoints.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) pattern: &'static str,
    pub(crate) endpoints: Vec<&'static Endpoint>,
}

impl Resource {
    /// The methods that it supports, for `Allow`.
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        let mut verbs: Vec<Verb> = self.endpoints.iter().map(|endpoint| endpoint.verb).collect();
        verbs.sort_unstable();
        verbs.into_iter().flat_map(Verb::methods).copied().collect()
    }
}
