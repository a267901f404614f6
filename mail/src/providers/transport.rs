//! The mail transport, chosen at start-up.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use souk_types::{Email, Error, Result};

use super::directory::Directory;
use super::smtp::{Smtp, SmtpServer};
use crate::domain::mail::{Failure, Mail};
use crate::domain::message::Message;

/// The mail transport: an SMTP server or a directory. Cheap to clone.
#[derive(Clone)]
pub(crate) enum MailTransport {
    Smtp(Smtp),
    Directory(Directory),
}

/// The operator's choice.
pub(crate) enum MailTransportOptions {
    Smtp(SmtpServer),
    Directory(std::path::PathBuf),
}

impl MailTransportOptions {
    pub(crate) fn open(self) -> Result<MailTransport> {
        match self {
            Self::Smtp(server) => Smtp::new(server).map(MailTransport::Smtp),
            Self::Directory(path) => Directory::open(path).map(MailTransport::Directory),
        }
    }
}

impl MailTransport {
    pub(crate) async fn deliver(&self, mail: &Mail, message: &Message) -> std::result::Result<(), Failure> {
        let encoded = encode(message).map_err(|error| Failure::transient(error.operator_message()))?;
        match self {
            Self::Smtp(smtp) => smtp.send(encoded).await,
            Self::Directory(directory) => directory.write(mail, encoded.formatted()).await,
        }
    }

    /// Deletes what was kept of a mail here. Repeatable.
    pub(crate) async fn discard(&self, mail: &Mail) -> Result<()> {
        match self {
            Self::Smtp(_) => Ok(()),
            Self::Directory(directory) => directory.delete(mail).await,
        }
    }
}

/// Builds the message of RFC 5322. The library encodes text that is not ASCII, in headers and body.
fn encode(message: &Message) -> Result<lettre::Message> {
    let Message { to, from, from_name, reply_to, message_id, date, rendered } = message;
    let name = Some(from_name.as_str().to_owned()).filter(|name| !name.is_empty());
    let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let seconds = u64::try_from(date.unix_seconds()).unwrap_or_default();
    let mut builder = lettre::Message::builder()
        .from(Mailbox::new(name.clone(), address(from)?))
        .to(Mailbox::new(None, address(to)?))
        .subject(rendered.subject.as_str())
        .date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
        .message_id(Some(message_id.clone()))
        // Holiday notices and other automatic answers are not sent to it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(Mailbox::new(name, address(reply_to)?));
    }
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &rendered.text))
        .singlepart(part(ContentType::TEXT_HTML, &rendered.html));
    builder.multipart(parts).map_err(Error::internal)
}

fn address(email: &Email) -> Result<lettre::Address> {
    email.as_str().parse().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use souk_types::Timestamp;

    use super::*;
    use crate::domain::message::{Line, Rendered};

    fn encoded(from_name: &str, subject: &str, text: &str) -> String {
        let message = Message {
            to: "ana@example.com".parse().unwrap(),
            from: "shop@souk.example".parse().unwrap(),
            from_name: Line::new(from_name),
            reply_to: "help@souk.example".parse().ok(),
            message_id: "<id@souk.example>".to_owned(),
            date: serde_json::from_str::<Timestamp>("\"2026-11-28T09:30:12Z\"").unwrap(),
            rendered: Rendered { subject: Line::new(subject), text: text.to_owned(), html: "<p>é</p>".to_owned() },
        };
        String::from_utf8(encode(&message).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_has_the_headers_of_an_automatic_mail() {
        let mail = encoded("Souk", "Order S-1", "Thank you");
        for line in [
            "From: Souk <shop@souk.example>",
            "To: ana@example.com",
            "Reply-To: Souk <help@souk.example>",
            "Subject: Order S-1",
            "Date: Sat, 28 Nov 2026 09:30:12 +0000",
            "Message-ID: <id@souk.example>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(mail.lines().any(|of| of == line), "{line} is missing in\n{mail}");
        }
        assert!(mail.contains("multipart/alternative") && mail.contains("text/plain") && mail.contains("text/html"));
    }

    #[test]
    fn text_that_is_not_ascii_is_encoded() {
        let mail = encoded("Café Åse, \"Ltd\"", "Bestellung – bezahlt 🎉", "Grüße");
        assert!(mail.is_ascii(), "{mail}");
        assert!(mail.contains("=?utf-8?"), "{mail}");
    }

    #[test]
    fn no_value_can_add_a_header() {
        let mail = encoded("Souk\r\nBcc: eve@example.com", "Hello\r\nBcc: eve@example.com\r\n\r\nbody", "text");
        let headers = mail.split("\r\n\r\n").next().unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    }
}
