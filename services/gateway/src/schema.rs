//! Schemas of the values in bodies, paths and queries, with the rules that parsing enforces.

use std::sync::LazyLock;

use primitives::{Currency, IdempotencyKey, Quantity, Sku};
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};

use crate::bounds;

/// A single line with at least one visible character.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// A single line with at least two visible characters.
const LINE_OF_TWO: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*",
    r"[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
);
const EMAIL: &str = concat!(
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$"
);
const VISIBLE_ASCII: &str = "^[!-~]+$";

/// Any string.
pub(crate) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn custom(format: &str) -> Option<SchemaFormat> {
    Some(SchemaFormat::Custom(format.to_owned()))
}

fn of_length(min: usize, max: usize) -> ObjectBuilder {
    string().min_length(Some(min)).max_length(Some(max))
}

fn line(min: usize, max: usize) -> RefOr<Schema> {
    let pattern = if min < 2 { LINE } else { LINE_OF_TWO };
    of_length(min, max).pattern(Some(pattern)).into()
}

fn integer(min: i64, max: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(number(min)))
        .maximum(Some(number(max)))
}

fn number(value: i64) -> utoipa::Number {
    // Exact: every bound is far below 2^53.
    serde_json::from_value(serde_json::Value::from(value)).unwrap_or(utoipa::Number::UInt(0))
}

/// A string with exactly this value.
pub(crate) fn constant(text: &str) -> RefOr<Schema> {
    string().enum_values(Some([text])).into()
}

/// An object with exactly these fields, all required.
pub(crate) fn closed_object<const N: usize>(fields: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    let object = fields
        .into_iter()
        .fold(ObjectBuilder::new(), |object, (name, schema)| object.property(name, schema).required(name));
    object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

pub(crate) fn text() -> RefOr<Schema> {
    string().into()
}

pub(crate) fn uuid() -> RefOr<Schema> {
    string().format(custom("uuid")).into()
}

pub(crate) fn time() -> RefOr<Schema> {
    string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

pub(crate) fn day() -> RefOr<Schema> {
    let pattern = string().pattern(Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"));
    pattern.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).into()
}

pub(crate) fn sku() -> RefOr<Schema> {
    of_length(1, Sku::MAX_LENGTH).pattern(Some("^[A-Za-z0-9._-]+$")).into()
}

pub(crate) fn quantity() -> RefOr<Schema> {
    integer(1, Quantity::MAX.into()).into()
}

pub(crate) fn amount() -> RefOr<Schema> {
    integer(1, bounds::MAX_AMOUNT).into()
}

pub(crate) fn delta() -> RefOr<Schema> {
    let either_way = OneOfBuilder::new().item(integer(-bounds::MAX_DELTA, -1)).item(integer(1, bounds::MAX_DELTA));
    either_way.description(Some("A whole number other than 0, from -10^9 to 10^9.")).into()
}

/// The name of the component that lists all currencies.
pub(crate) const CURRENCY: &str = "Currency";

pub(crate) fn currency() -> RefOr<Schema> {
    Ref::from_schema_name(CURRENCY).into()
}

pub(crate) fn currencies() -> RefOr<Schema> {
    /// Every code that parses; the currency library offers no list.
    static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let letters = || 'A'..='Z';
        let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
        codes.filter(|code| code.parse::<Currency>().is_ok()).collect()
    });
    string().enum_values(Some(CODES.iter().cloned())).description(Some("An ISO 4217 currency code.")).into()
}

pub(crate) fn user_name() -> RefOr<Schema> {
    line(bounds::MIN_USER_NAME, bounds::MAX_USER_NAME)
}

pub(crate) fn email() -> RefOr<Schema> {
    let pattern = of_length(3, bounds::MAX_EMAIL).pattern(Some(EMAIL));
    pattern.format(custom("email")).examples(["ada@example.com"]).into()
}

pub(crate) fn password() -> RefOr<Schema> {
    let format = Some(SchemaFormat::KnownFormat(KnownFormat::Password));
    of_length(bounds::MIN_PASSWORD, bounds::MAX_PASSWORD).format(format).into()
}

pub(crate) fn login_email() -> RefOr<Schema> {
    of_length(1, bounds::MAX_EMAIL).into()
}

pub(crate) fn login_password() -> RefOr<Schema> {
    of_length(1, bounds::MAX_PASSWORD).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))).into()
}

pub(crate) fn refresh_token() -> RefOr<Schema> {
    of_length(1, bounds::MAX_REFRESH_TOKEN).pattern(Some(VISIBLE_ASCII)).into()
}

pub(crate) fn card_token() -> RefOr<Schema> {
    of_length(1, bounds::MAX_CARD_TOKEN).pattern(Some(VISIBLE_ASCII)).into()
}

pub(crate) fn product_name() -> RefOr<Schema> {
    line(1, bounds::MAX_PRODUCT_NAME)
}

pub(crate) fn category() -> RefOr<Schema> {
    line(1, bounds::MAX_CATEGORY)
}

pub(crate) fn description() -> RefOr<Schema> {
    of_length(0, bounds::MAX_DESCRIPTION).into()
}

pub(crate) fn description_or_null() -> RefOr<Schema> {
    let text_or_null = SchemaType::from_iter([Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(text_or_null).max_length(Some(bounds::MAX_DESCRIPTION)).into()
}

pub(crate) fn adjustment_reason() -> RefOr<Schema> {
    line(1, bounds::MAX_ADJUSTMENT_REASON)
}

pub(crate) fn page_size() -> RefOr<Schema> {
    let default = Some(serde_json::Value::from(service::page::DEFAULT_SIZE));
    integer(1, service::page::MAX_SIZE.into()).default(default).into()
}

pub(crate) fn page_token() -> RefOr<Schema> {
    of_length(1, bounds::MAX_PAGE_TOKEN_LENGTH).pattern(Some("^[A-Za-z0-9_-]+$")).into()
}

pub(crate) fn idempotency_key() -> RefOr<Schema> {
    of_length(1, IdempotencyKey::MAX_LENGTH).pattern(Some(VISIBLE_ASCII)).into()
}

pub(crate) fn version_tag() -> RefOr<Schema> {
    string().pattern(Some("^\"v(0|[1-9][0-9]{0,18})\"$")).examples(["\"v1\""]).into()
}
