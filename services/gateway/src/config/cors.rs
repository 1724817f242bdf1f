//! `[cors]`

use serde::{Deserialize, Deserializer};

/// `[cors]`: the web pages that may call the API from a browser.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins of the form `https://shop.example`, as a list or as one comma-separated string; none by default.
    #[serde(deserialize_with = "origins")]
    pub allowed_origins: Vec<String>,
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        List(Vec<String>),
    }
    let origins = match Form::deserialize(deserializer)? {
        Form::Text(text) => {
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        Form::List(list) => list,
    };
    let is_origin = |text: &String| {
        let Ok(uri) = text.parse::<::http::Uri>() else { return false };
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return false;
        };
        *text == format!("{scheme}://{authority}")
    };
    if origins.iter().all(is_origin) {
        Ok(origins)
    } else {
        Err(serde::de::Error::custom("origins must be of the form https://host[:port], without a path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let parse = |origins: serde_json::Value| {
            serde_json::from_value::<CorsConfig>(serde_json::json!({ "allowed_origins": origins }))
        };
        let list = parse(serde_json::json!(["https://a.example", "http://localhost:8080"])).unwrap();
        let text = parse("https://a.example, http://localhost:8080".into()).unwrap();
        assert_eq!(list.allowed_origins, text.allowed_origins);
        for bad in ["*", "a.example", "https://a.example/", "https://a.example/path", "ftp://a.example"] {
            assert!(parse(bad.into()).is_err(), "{bad}");
        }
    }
}
