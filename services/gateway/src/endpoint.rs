//! What the API consists of: one [`Endpoint`] a call, as data. Routing, authorization and OpenAPI are made from it.

use actix_web::{Route, guard};
use envelope::Reason;
use utoipa::ToSchema;
use utoipa::openapi::{HttpMethod, RefOr, Schema};

use crate::openapi::Shape;

/// The method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads. `HEAD` is answered alike, without the body.
    Get,
    /// Makes or does something.
    Post,
    /// Changes some fields.
    Patch,
    /// Ends something.
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

    /// The verb that answers a method.
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

/// Who may call. Decided before the handler runs; the services check again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anyone, without a token.
    Public,
    /// Any user.
    User,
    /// Any user; the service then lets only the owner of the thing through, and an admin where the call allows it.
    Owner,
    /// Admins.
    Admin,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Default,
    /// It may wait for a payment provider.
    Payment,
}

/// A parameter in the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> RefOr<Schema>,
}

/// What a call answers when all went well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Success {
    pub(crate) status: u16,
    /// What `data` is; nothing for an answer without a body.
    pub(crate) data: Option<Shape>,
    /// Whether the body is `data` itself, without the envelope.
    pub(crate) raw: bool,
    pub(crate) location: bool,
    pub(crate) etag: bool,
}

/// A call.
#[derive(Debug)]
pub struct Endpoint {
    /// Its method.
    pub verb: Verb,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether it needs an `Idempotency-Key`.
    pub idempotent: bool,
    /// Whether it needs `If-Match`.
    pub versioned: bool,
    /// Its name in OpenAPI.
    pub id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) budget: Budget,
    pub(crate) body: Option<Shape>,
    pub(crate) query: Vec<QueryParameter>,
    pub(crate) success: Success,
    /// Why the service behind may refuse it, besides what every call of its kind may be refused for.
    pub(crate) refusals: &'static [Reason],
    pub(crate) handler: fn() -> Route,
}

impl Endpoint {
    pub(crate) fn new(
        verb: Verb,
        path: &'static str,
        access: Access,
        id: &'static str,
        handler: fn() -> Route,
    ) -> Self {
        let success = Success { status: 200, data: None, raw: false, location: false, etag: false };
        Self {
            verb,
            path,
            access,
            idempotent: false,
            versioned: false,
            id,
            summary: "",
            budget: Budget::Default,
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

    pub(crate) fn pays(self) -> Self {
        Self { budget: Budget::Payment, ..self }
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

    /// 202 with this data: it was asked for, and goes on by itself.
    pub(crate) fn begins<T: ToSchema>(mut self) -> Self {
        self.success.status = 202;
        self.gives::<T>()
    }

    /// 204.
    pub(crate) fn gives_nothing(mut self) -> Self {
        self.success.status = 204;
        self
    }

    /// The data stands alone, without the envelope.
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

    /// Whether it belongs to the versioned API, so that a service stands behind it.
    pub(crate) fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }
}
