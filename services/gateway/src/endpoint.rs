//! What the API consists of: one [`Endpoint`] a call, as data. Routing, authorization and OpenAPI are made from it.

use actix_web::{Route, guard};
use envelope::Reason;
use resilience::Priority;
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

/// Which of the rates of a client a call counts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Sessions,
    Orders,
    Browse,
    Other,
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
    /// Its place in the table.
    pub(crate) number: usize,
    pub(crate) budget: Budget,
    /// What of a load that is too much is refused first.
    pub(crate) priority: Priority,
    rate: Rate,
    /// Whether copies of its answers are kept.
    pub(crate) cached: bool,
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
            number: 0,
            budget: Budget::Default,
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

    /// Looks around in the catalogue.
    pub(crate) fn browses(self) -> Self {
        Self { priority: Priority::Browse, rate: Rate::Browse, ..self }
    }

    /// Copies of its answers are kept.
    pub(crate) fn cached(self) -> Self {
        Self { cached: true, ..self }
    }

    /// Can wait as browsing can.
    pub(crate) fn can_wait(self) -> Self {
        Self { priority: Priority::Browse, ..self }
    }

    /// Logs in or registers.
    pub(crate) fn admits(self) -> Self {
        Self { rate: Rate::Sessions, ..self }
    }

    /// Makes or changes an order.
    pub(crate) fn orders(self) -> Self {
        Self { rate: Rate::Orders, ..self }
    }

    /// Moves money.
    pub(crate) fn pays(self) -> Self {
        Self { priority: Priority::Pay, ..self }
    }

    /// May wait for a payment provider.
    pub(crate) fn awaits_provider(self) -> Self {
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

    /// At its place in the table.
    pub(crate) fn numbered(self, number: usize) -> Self {
        Self { number, ..self }
    }

    /// Whether its `operationId` is this, whatever the case of its letters: sources of configuration change them.
    pub(crate) fn is_called(&self, id: &str) -> bool {
        self.id.eq_ignore_ascii_case(id)
    }

    /// Which of the rates of a client it counts to. What has no service behind it is not limited: probes and scrapes
    /// come in any case.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.is_api().then_some(self.rate)
    }

    /// Whether it belongs to the versioned API, so that a service stands behind it.
    pub(crate) fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }
}
