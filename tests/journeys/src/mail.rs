//! Mails to customers, as files (in a shop without an SMTP server) or as an SMTP server got them.

use std::fmt;
use std::sync::Arc;

use ::fleet::SmtpServer;
use mailparse::{MailHeaderMap as _, ParsedMail};
use reqwest::Method;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::customer::Customer;
use crate::shop::Shop;
use crate::wait::wait_for;

/// A decoded mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The recipient, as the header `To` names it.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: String,
    /// All headers by name, decoded.
    pub headers: Vec<(String, String)>,
}

impl Mail {
    /// Decodes a message of RFC 5322.
    pub fn parse(message: &[u8]) -> Self {
        let mail = mailparse::parse_mail(message).unwrap();
        let part = |kind: &str| {
            let found = mail.parts().find(|part: &&ParsedMail<'_>| part.ctype.mimetype == kind);
            found.unwrap_or_else(|| panic!("the mail has no {kind}")).get_body().unwrap().replace("\r\n", "\n")
        };
        let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
        Self {
            to: header("To"),
            subject: header("Subject"),
            text: part("text/plain"),
            html: part("text/html"),
            headers: mail.headers.iter().map(|header| (header.get_key(), header.get_value())).collect(),
        }
    }

    /// Returns the values of the headers of this name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let is_named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_named).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the text after `before` up to the next white space: a token or a key in a link.
    pub fn word_after(&self, before: &str) -> &str {
        let (_, rest) = self.text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in\n{}", self.text));
        rest.split_whitespace().next().unwrap_or_default()
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {}", self.subject, self.to)
    }
}

impl Shop {
    /// Signs up a customer who opens the link in the mail.
    pub async fn new_verified_customer(&self) -> Customer {
        let customer = self.new_customer().await;
        let mail = self.wait_for_mail(&customer.email, "Verify").await;
        let body = json!({"token": mail.word_after("enter ")});
        self.client().request(Method::POST, "/customer/verify").json(body).await.expect_status(204);
        customer
    }

    /// Returns the mails to an address so far, oldest first. The shop has no SMTP server.
    pub fn mails_to(&self, email: &str) -> Vec<Mail> {
        let directory = self.mail_directory();
        let mut files: Vec<_> = match std::fs::read_dir(&directory) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(error) => panic!("{}: {error}", directory.display()),
        };
        // The names begin with the time; drafts have another extension.
        files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        // A mail may be deleted meanwhile.
        let read = files.iter().filter_map(|file| std::fs::read(file).ok());
        read.map(|message| Mail::parse(&message)).filter(|mail| mail.to == email).collect()
    }

    /// Waits for a mail to this address whose subject contains a text.
    pub async fn wait_for_mail(&self, email: &str, subject: &str) -> Mail {
        wait_for(&format!("a mail {subject:?} to {email}"), async || {
            let mails = self.mails_to(email);
            let found = mails.iter().find(|mail| mail.subject.contains(subject)).cloned();
            found.ok_or_else(|| mails.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        })
        .await
    }
}

/// An SMTP server that belongs to one test.
pub struct TestSmtp(Arc<SmtpServer>);

impl TestSmtp {
    /// Starts a server.
    pub async fn start() -> Self {
        let server = spawn_blocking(SmtpServer::start).await.unwrap();
        Self(Arc::new(server.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// Returns the environment of a shop that sends its mails through this server.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("SMTP_URL", self.0.url()), ("MAIL_FROM", "shop@souk.example".to_owned())]
    }

    /// Stops the server.
    pub async fn stop(&self) {
        let server = Arc::clone(&self.0);
        spawn_blocking(move || server.component().stop()).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts the server again, at the same address.
    pub async fn restart(&self) {
        let server = Arc::clone(&self.0);
        spawn_blocking(move || server.component().start()).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Answers every recipient with this line; `None` accepts mails again.
    pub fn answer(&self, line: Option<&str>) {
        self.0.answer(line).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Returns the accepted mails to an address whose subject contains a text, oldest first.
    pub fn mails_to(&self, email: &str, subject: &str) -> Vec<Mail> {
        let accepted = self.0.mails().unwrap_or_else(|error| panic!("{error}"));
        let to = accepted.iter().filter(|mail| mail.to == [email]);
        to.map(|mail| Mail::parse(mail.message.as_bytes())).filter(|mail| mail.subject.contains(subject)).collect()
    }

    /// Waits until the server has accepted this many mails to an address with a subject.
    pub async fn wait_for_mails(&self, email: &str, subject: &str, count: usize) -> Vec<Mail> {
        wait_for(&format!("{count} mails {subject:?} to {email}"), async || {
            let mails = self.mails_to(email, subject);
            if mails.len() >= count { Ok(mails) } else { Err(format!("{} mails", mails.len())) }
        })
        .await
    }
}
