//! Users, what they log in with, and the sessions that follow. Pure: no I/O, no wire format.

mod email;
mod login;
mod name;
mod password;
mod registration;
mod session;
mod user;

pub(crate) use email::Email;
pub(crate) use login::{AccountKey, Credentials, LoginOutcome, LoginRecord, address_key};
pub(crate) use name::DisplayName;
pub(crate) use password::{Password, PasswordHash};
pub(crate) use registration::{Registration, Violation, parse_change};
pub(crate) use session::{RefreshToken, RefreshTokenHash, RefreshTokenRecord, TokenPair};
pub(crate) use user::{ProfileChange, User};
