//! Payment methods. A new method is a variant of both types here; the compiler then names every place that
//! has to handle it.

use primitives::ParseError;
use secrecy::SecretString;

/// The longest card token, in bytes.
const MAX_TOKEN: usize = 255;

/// The means of payment in a charge.
#[derive(Debug, Clone)]
pub(crate) enum Means {
    /// The owner's account.
    Balance,
    /// A card, by the provider's token for it. The token is passed on to the provider and never stored or printed.
    Card(SecretString),
}

/// The stored form of [`Means`], without its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The owner's account.
    Balance,
    /// A card, through the provider.
    Card,
}

impl Means {
    /// A card with that token of the provider.
    ///
    /// # Errors
    /// Unless the token is 1 to 255 visible ASCII characters. The error does not contain it.
    pub(crate) fn card(token: String) -> Result<Self, ParseError> {
        if (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self::Card(token.into()))
        } else {
            Err(ParseError("must be 1 to 255 visible ASCII characters"))
        }
    }
}

impl Method {
    /// Every method.
    pub(crate) const ALL: [Self; 2] = [Self::Balance, Self::Card];

    /// The name in the database, in events and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Card => "card",
        }
    }

    /// The method of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_name_of_its_own() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
        }
        assert_eq!(Method::from_name("Card"), None);
    }

    #[test]
    fn a_card_token_is_checked_and_not_printed() {
        for token in ["x".to_owned(), "~!".to_owned(), "x".repeat(MAX_TOKEN)] {
            assert!(Means::card(token.clone()).is_ok(), "{token}");
        }
        for token in ["".to_owned(), "a b".to_owned(), "ä".to_owned(), "a\n".to_owned(), "x".repeat(MAX_TOKEN + 1)] {
            assert!(Means::card(token.clone()).is_err(), "{token}");
        }
        assert!(!format!("{:?}", Means::card("tok_secret".into())).contains("tok_secret"));
    }
}
