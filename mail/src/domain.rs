//! Types and rules of mails. Pure: no I/O, no async, no other layer.

pub(crate) mod content;
pub(crate) mod list_query;
pub(crate) mod mail;
pub(crate) mod message;
