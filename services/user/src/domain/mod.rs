//! Users, their credentials and sessions, and the rules of all three. Pure: no I/O, no wire format.

mod email;
mod login;
mod name;
mod password;
mod registration;
mod session;
mod throttle;
mod user;

pub(crate) use email::Email;
pub(crate) use login::{AccountKey, Credentials, LoginOutcome, LoginRecord, LoginRefusal, accept};
pub(crate) use name::DisplayName;
pub(crate) use password::{Password, PasswordHash};
pub(crate) use registration::{Registration, Violation, parse_change};
pub(crate) use session::{
    EndReason, PresentedToken, RefreshToken, RefreshTokenHash, RefreshTokenRecord, Rotation, TokenPair, decide_rotation,
};
pub(crate) use throttle::{CounterKey, Limit, PasswordCheck, Recount};
pub(crate) use user::{ProfileChange, User, VersionMismatch};
