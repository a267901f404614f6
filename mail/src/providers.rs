//! Templates, and the ways out: an SMTP server or a directory.

pub(crate) mod directory;
pub(crate) mod outgoing;
pub(crate) mod smtp;
pub(crate) mod templates;
