//! The JSON body of a request: read within the limit and the deadline, then parsed. Errors are described in terms of
//! JSON, never of our types.

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage as _, HttpRequest};
use bytes::{Bytes, BytesMut};
use envelope::{Error, Reason};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use service::Deadline;

use crate::refusal::unsupported_media_type;
use crate::strict::Object;

/// Reads the body; `BODY_TOO_LARGE` as soon as it exceeds the limit, regardless of `Content-Length`.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
    deadline: Deadline,
) -> Result<Bytes, Error> {
    check_media_type(request)?;
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| malformed("the body is incomplete").with_source(error))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    deadline.bound(reading).await?
}

/// Parses the body as a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(malformed("the body is empty"));
    }
    // First as any JSON, so that a malformed or too deeply nested body is reported as such wherever the error is.
    serde_json::from_str::<serde_json::Value>(text).map_err(|error| {
        malformed(format!("the body is not valid JSON: line {}, column {}", error.line(), error.column()))
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(explain(&error.path().to_string(), &error.inner().to_string())),
    }
}

/// `BODY_TOO_LARGE`.
pub(crate) fn too_large(limit: usize) -> Error {
    Error::new(Reason::BodyTooLarge, format!("the body is larger than {limit} bytes"))
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::MalformedBody, message)
}

fn check_media_type(request: &HttpRequest) -> Result<(), Error> {
    let media_type = request.mime_type().ok().flatten().ok_or_else(unsupported_media_type)?;
    let utf8 = media_type.get_param("charset").is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"));
    if media_type.essence_str() == "application/json" && utf8 && !is_encoded(request.headers()) {
        Ok(())
    } else {
        Err(unsupported_media_type())
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Derives a violation from serde's message, which names our types and so must not be returned itself.
fn explain(path: &str, message: &str) -> Error {
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    let within = |name: &str| match path {
        "." | "" => name.to_owned(),
        _ if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        _ => format!("{path}.{name}"),
    };
    let (field, description) = if message.starts_with("missing field") {
        (within(quoted()), "is required")
    } else if message.starts_with("unknown field") {
        (within(quoted()), "is not a known field")
    } else if message.starts_with("duplicate field") {
        (within(quoted()), "is duplicated")
    } else {
        (if path == "." { "body".to_owned() } else { path.to_owned() }, expected(message))
    };
    Error::new(Reason::ValidationFailed, "the request is not valid")
        .with_detail(envelope::Detail::Field { field, description: description.to_owned() })
}

fn expected(message: &str) -> &'static str {
    // The message ends in " at line 1 column 2".
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    match expected.split(" at line").next().unwrap_or_default() {
        "an object" => "must be an object",
        "a string" => "must be a string",
        "a sequence" => "must be an array",
        "a boolean" => "must be true or false",
        "a whole number" => "must be a whole number within the allowed range",
        _ => "has an invalid value",
    }
}

#[cfg(test)]
mod tests {
    use envelope::Detail;
    use serde::Deserialize;

    use super::*;
    use crate::strict;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // only read by the derived code
    struct Outer {
        name: String,
        #[serde(deserialize_with = "strict::objects")]
        lines: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Inner {
        #[serde(deserialize_with = "strict::integer")]
        quantity: i64,
        #[serde(default, deserialize_with = "strict::present")]
        note: Option<String>,
    }

    fn violation(body: &str) -> (String, String) {
        let error = parse::<Outer>(body.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), Reason::ValidationFailed, "{body}");
        match error.details() {
            [Detail::Field { field, description }] => (field.clone(), description.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_violation_names_its_field_and_none_of_our_types() {
        for (body, field, description) in [
            (r#"{"lines": []}"#, "name", "is required"),
            (r#"{"name": "a", "lines": [{}]}"#, "lines[0].quantity", "is required"),
            (r#"{"name": "a", "lines": [], "more": 1}"#, "more", "is not a known field"),
            (r#"{"name": "a", "lines": [{"quantity": 1, "x": 1}]}"#, "lines[0].x", "is not a known field"),
            (r#"{"name": "a", "name": "b", "lines": []}"#, "name", "is duplicated"),
            (r#"{"name": 1, "lines": []}"#, "name", "must be a string"),
            (r#"{"name": "a", "lines": {}}"#, "lines", "must be an array"),
            (r#"{"name": "a", "lines": [[1]]}"#, "lines[0]", "must be an object"),
            (r#"["a", []]"#, "body", "must be an object"),
            ("null", "body", "must be an object"),
        ] {
            assert_eq!(violation(body), (field.to_owned(), description.to_owned()), "{body}");
        }
        for number in ["1.5", "1e-3", "\"1\"", "9223372036854775808", "1e300", "null", "true"] {
            let (field, description) = violation(&format!(r#"{{"name": "a", "lines": [{{"quantity": {number}}}]}}"#));
            assert_eq!(field, "lines[0].quantity");
            assert_eq!(description, "must be a whole number within the allowed range", "{number}");
        }
        assert_eq!(violation(r#"{"name": "a", "lines": [{"quantity": 1, "note": null}]}"#).0, "lines[0].note");
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_or_an_exponent() {
        for number in ["7", "7.0", "70e-1", "0.7e1"] {
            let body = format!(r#"{{"name": "a", "lines": [{{"quantity": {number}}}]}}"#);
            assert_eq!(parse::<Outer>(body.as_bytes()).unwrap().lines[0].quantity, 7, "{number}");
        }
    }

    #[test]
    fn invalid_json_is_malformed() {
        let deep = "[".repeat(100_000);
        let nested = format!(r#"{{"x": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        let bodies: [&[u8]; 8] = [
            b"",
            b"  ",
            b"{",
            b"{\"name\": \"a\xff\"}",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            deep.as_bytes(),
            nested.as_bytes(),
        ];
        for body in bodies {
            assert_eq!(parse::<Outer>(body).unwrap_err().reason(), Reason::MalformedBody);
        }
    }
}
