//! Types and rules: no I/O.

pub(crate) mod address;
pub(crate) mod email;
pub(crate) mod phone;
pub(crate) mod refresh_token;
pub(crate) mod secret_text;
