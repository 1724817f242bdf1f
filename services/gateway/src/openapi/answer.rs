//! Schemas of the envelope: success, failure, and failure as problem details.

use envelope::Reason;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder, Components, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};

use crate::schema::{closed_object, constant, text};

const FAILURE: &str = "Failure";
const PROBLEM: &str = "Problem";
const DETAIL: &str = "Detail";

/// Adds the schemas of failures to the components.
pub(super) fn add_schemas(components: &mut Components) {
    components.schemas.insert(DETAIL.to_owned(), detail());
    components.schemas.insert(FAILURE.to_owned(), failure());
    components.schemas.insert(PROBLEM.to_owned(), problem());
}

/// `{"code": 200, "message": "success", "data": …, "requestId": "…"}`
pub(super) fn success(status: u16, data: Ref) -> RefOr<Schema> {
    let code = integer().enum_values(Some([status]));
    closed_object([
        ("code", code.into()),
        ("message", constant("success")),
        ("data", data.into()),
        ("requestId", text()),
    ])
    .into()
}

/// A failure for one of these reasons.
pub(super) fn failure_for(reasons: &[Reason]) -> RefOr<Schema> {
    narrowed(FAILURE, reasons)
}

/// The same failure as problem details.
pub(super) fn problem_for(reasons: &[Reason]) -> RefOr<Schema> {
    narrowed(PROBLEM, reasons)
}

fn narrowed(schema: &str, reasons: &[Reason]) -> RefOr<Schema> {
    let codes = integer().enum_values(Some(reasons.iter().map(|reason| reason.code())));
    let names =
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(reasons.iter().map(|reason| reason.name())));
    let these = ObjectBuilder::new().property("code", codes).property("reason", names);
    AllOfBuilder::new().item(Ref::from_schema_name(schema)).item(these).into()
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn failure() -> RefOr<Schema> {
    closed_object([
        ("code", integer().description(Some("The HTTP status times 100, plus a number for the reason.")).into()),
        ("reason", reason()),
        (
            "message",
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some("A description for people; not stable."))
                .into(),
        ),
        ("details", details()),
        ("requestId", text()),
    ])
    .description(Some("A failed request."))
    .into()
}

fn problem() -> RefOr<Schema> {
    closed_object([
        ("type", constant("about:blank")),
        ("title", text()),
        ("status", integer().into()),
        ("detail", text()),
        ("code", integer().into()),
        ("reason", reason()),
        ("details", details()),
        ("requestId", text()),
    ])
    .description(Some("A failed request, as RFC 9457 problem details."))
    .into()
}

fn reason() -> RefOr<Schema> {
    let names = Reason::ALL.iter().map(|reason| reason.name());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

fn details() -> RefOr<Schema> {
    ArrayBuilder::new().items(Ref::from_schema_name(DETAIL)).into()
}

fn detail() -> RefOr<Schema> {
    let field = closed_object([("field", text()), ("description", text())]);
    let stock = closed_object([("sku", text()), ("requested", integer().into()), ("available", integer().into())]);
    let unknown_sku = closed_object([("sku", text())]);
    OneOfBuilder::new()
        .item(field.description(Some("A field, parameter or header with an invalid value.")))
        .item(stock.description(Some("A SKU with less stock than requested.")))
        .item(unknown_sku.description(Some("A SKU that is not in the catalogue.")))
        .into()
}
