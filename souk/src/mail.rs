//! `souk mail`: the mails to customers, read from the database, so that it works while the service
//! is down. The text of a mail is stored only in a shop without an SMTP server, where mails are
//! files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use mail::Status;
use mail::ledger::{self, MailRecord};
use mail::operator;
use mailparse::{MailHeaderMap as _, ParsedMail};
use serde_json::json;
use souk_store::Database;

use crate::data_directory;
use crate::databases::{Databases, operator_message};
use crate::shop_args::{ShopArgs, ShopLocation};

#[derive(Subcommand)]
pub(crate) enum MailCommand {
    /// List mails, oldest first
    List {
        /// Only mails to this address. A recipient is stored from the first attempt until 90 days
        /// after the last one
        #[arg(long, value_name = "E-MAIL")]
        to: Option<String>,
        /// Only mails in this status
        #[arg(long, value_enum)]
        status: Option<StatusArg>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        shop: ShopArgs,
    },
    /// Show a mail: its delivery, and its headers and text if it is a file
    Show {
        /// Id of the mail
        id: String,
        /// Directory of mails, if it is not that of the data directory
        #[arg(long, env = "MAIL_DIRECTORY", value_name = "DIR")]
        directory: Option<PathBuf>,
        #[command(flatten)]
        shop: ShopArgs,
    },
    /// Send a mail that has failed, or is waiting for its next attempt, now
    Retry {
        /// Id of the mail
        id: String,
        #[command(flatten)]
        shop: ShopArgs,
    },
    /// Send a mail again that was sent already, as a new mail
    Resend {
        /// Id of the mail
        id: String,
        #[command(flatten)]
        shop: ShopArgs,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum StatusArg {
    Queued,
    Sent,
    Failed,
    Obsolete,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Queued => Self::Queued,
            StatusArg::Sent => Self::Sent,
            StatusArg::Failed => Self::Failed,
            StatusArg::Obsolete => Self::Obsolete,
        }
    }
}

/// The headers that `souk mail show` prints.
const HEADERS: [&str; 6] = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID"];

pub(crate) async fn run(command: MailCommand) -> Result<(), String> {
    match command {
        MailCommand::List { to, status, json, shop } => {
            list(&shop.resolve()?, to, status.map(Status::from), json).await
        }
        MailCommand::Show { id, directory, shop } => show(&shop.resolve()?, &id, directory).await,
        MailCommand::Retry { id, shop } => retry(&shop.resolve()?, &id).await,
        MailCommand::Resend { id, shop } => resend(&shop.resolve()?, &id).await,
    }
}

async fn with_database<T>(
    shop: &ShopLocation,
    work: impl AsyncFnOnce(&Database) -> souk_types::Result<T>,
) -> Result<T, String> {
    let databases = Databases::open(shop)?;
    let outcome = work(&databases.mail).await.map_err(operator_message);
    databases.close().await;
    outcome
}

async fn list(shop: &ShopLocation, to: Option<String>, status: Option<Status>, json: bool) -> Result<(), String> {
    let to = to.map(|to| to.trim().to_lowercase());
    let wanted = move |mail: &MailRecord| {
        to.as_ref().is_none_or(|to| mail.to.as_ref() == Some(to)) && status.is_none_or(|status| mail.status == status)
    };
    let mails = with_database(shop, async |database| ledger::mails(database, wanted).await).await?;
    if json {
        return print(&format!("{:#}\n", json!({"items": mails})));
    }
    if mails.is_empty() {
        return print("no mails\n");
    }
    let mut table = String::new();
    for mail in &mails {
        let (kind, to) = (mail.kind.unwrap_or("-"), mail.to.as_deref().unwrap_or("-"));
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{}  {}  {:<8}  {kind:<16}  {to}", mail.id, mail.created, status_word(mail.status));
    }
    print(&table)
}

async fn show(shop: &ShopLocation, id: &str, directory: Option<PathBuf>) -> Result<(), String> {
    let event = id.parse().map_err(|problem| format!("{id:?} {problem}"))?;
    let found = with_database(shop, async |database| ledger::mail(database, event).await).await?;
    let mail = found.ok_or_else(|| format!("there is no mail {id}"))?;
    let directory = match (directory, shop) {
        (None, ShopLocation::Directory(data)) => Some(data_directory::mails(data)),
        (directory, _) => directory,
    };
    let content = directory.and_then(|directory| std::fs::read(directory.join(&mail.file)).ok());
    let mut text = delivery(&mail);
    match content {
        Some(content) => text.push_str(&readable(&content)?),
        None => text
            .push_str("\nThe text of the mail is not stored: it was not written to a file, or the file is deleted.\n"),
    }
    print(&text)
}

async fn retry(shop: &ShopLocation, id: &str) -> Result<(), String> {
    let event = id.parse().map_err(|problem| format!("{id:?} {problem}"))?;
    with_database(shop, async |database| operator::retry(database, event).await).await?;
    print(&format!("the mail {id} is queued; the service sends it within a second\n"))
}

async fn resend(shop: &ShopLocation, id: &str) -> Result<(), String> {
    let event = id.parse().map_err(|problem| format!("{id:?} {problem}"))?;
    let new = with_database(shop, async |database| operator::resend(database, event).await).await?;
    print(&format!("the mail {new} is queued; the service sends it within a second\n"))
}

fn delivery(mail: &MailRecord) -> String {
    let mut lines =
        format!("{} {}, {} attempts, created {}", mail.id, status_word(mail.status), mail.attempts, mail.created);
    let at = |name: &str, at: Option<souk_types::Timestamp>| at.map(|at| format!(", {name} {at}")).unwrap_or_default();
    lines.push_str(&at("sent", mail.sent_at));
    lines.push_str(&at("next attempt", mail.next_attempt));
    lines.push('\n');
    let fields = [
        ("sent again of", mail.resend_of.map(|id| id.to_string())),
        ("order", mail.order.map(|order| order.to_string())),
        ("kind", mail.kind.map(str::to_owned)),
        ("to", mail.to.clone()),
        ("subject", mail.subject.clone()),
        ("message id", Some(mail.message_id.clone())),
        ("error", mail.error.clone()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = writeln!(lines, "{name}: {value}");
        }
    }
    lines
}

/// Returns the headers and the text of a message, decoded.
fn readable(content: &[u8]) -> Result<String, String> {
    let unreadable = |error: mailparse::MailParseError| format!("the file of the mail is damaged: {error}");
    let message = mailparse::parse_mail(content).map_err(unreadable)?;
    let mut text = String::from("\n");
    for name in HEADERS {
        if let Some(value) = message.headers.get_first_value(name) {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let is_text = |part: &&ParsedMail<'_>| part.ctype.mimetype == "text/plain";
    if let Some(part) = message.parts().collect::<Vec<_>>().iter().copied().find(is_text) {
        text.push('\n');
        text.push_str(part.get_body().map_err(unreadable)?.trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Queued => "queued",
        Status::Sent => "sent",
        Status::Failed => "failed",
        Status::Obsolete => "obsolete",
    }
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_text_of_a_message_are_decoded() {
        let message = "From: Souk <shop@souk.example>\r\nTo: ana@example.com\r\n\
            Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n--b--\r\n";
        assert_eq!(
            readable(message.as_bytes()).unwrap(),
            "\nFrom: Souk <shop@souk.example>\nTo: ana@example.com\nSubject: Grüße\n\nGrüße\n"
        );
    }
}
