//! Templates, and the mail transports: an SMTP server or a directory.

pub(crate) mod directory;
pub(crate) mod smtp;
pub(crate) mod templates;
pub(crate) mod transport;
