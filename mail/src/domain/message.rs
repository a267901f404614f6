//! A rendered mail with the values of its headers.

use souk_types::{Email, Timestamp};

use super::content::{Content, Links};
use super::mail::Mail;

/// The shop as the sender of mails.
pub(crate) struct Sender {
    address: Email,
    links: Links,
}

impl Sender {
    pub(crate) fn new(address: Email, links: Links) -> Self {
        Self { address, links }
    }

    /// Returns the domain of the address, which ends each `Message-ID`.
    pub(crate) fn domain(&self) -> &str {
        let address = self.address.as_str();
        address.rsplit_once('@').map_or(address, |(_, domain)| domain)
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }
}

/// The result of a mail's templates.
pub(crate) struct Rendered {
    pub(crate) subject: Line,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// A mail that can be sent.
#[expect(clippy::struct_field_names, reason = "Message-ID is the name of the header")]
pub(crate) struct Message {
    pub(crate) to: Email,
    pub(crate) from: Email,
    /// The name of the shop.
    pub(crate) from_name: Line,
    pub(crate) reply_to: Option<Email>,
    pub(crate) message_id: String,
    pub(crate) date: Timestamp,
    pub(crate) rendered: Rendered,
}

impl Message {
    pub(crate) fn new(mail: &Mail, content: &Content, rendered: Rendered, sender: &Sender) -> Self {
        let shop = &content.variables().shop;
        Self {
            to: content.to().clone(),
            from: sender.address.clone(),
            from_name: Line::new(&shop.name),
            reply_to: shop.reply_to.clone(),
            message_id: mail.message_id().to_owned(),
            date: mail.created(),
            rendered,
        }
    }
}

/// The text of a header: without line breaks and other control characters, which could begin
/// another header.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    /// Replaces what a line cannot have by spaces.
    pub(crate) fn new(text: &str) -> Self {
        let without_controls: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self(without_controls.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_cannot_begin_another_header() {
        for (text, line) in [
            ("Souk", "Souk"),
            (" Souk\r\nBcc: eve@example.com ", "Souk Bcc: eve@example.com"),
            ("a\u{0}b\u{85}c\u{2028}d", "a b c d"),
            ("", ""),
        ] {
            assert_eq!(Line::new(text).as_str(), line);
        }
    }

    #[test]
    fn a_message_id_ends_with_the_domain_of_the_sender() {
        let sender = Sender::new("shop@mail.example.com".parse().unwrap(), Links::new("https://shop.example.com"));
        assert_eq!(sender.domain(), "mail.example.com");
    }
}
