//! `souk audit --erased`: searches databases, outboxes, dead letters and logs for references to an
//! erased customer. Tombstones are accepted: in `accounts`, in `token_revocations`, in mail's
//! `erased_customers`, and in closed, empty carts, wishlists and saved views. So is the notice of
//! the erasure to the customer, until it was sent.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use souk_bus::{AmqpOptions, DeadLetter, DeadLetterFilter, DeadLetters};
use souk_contract::customer::CustomerId;
use souk_store::PersonalDataReference;

use super::Report;
use crate::databases::{Databases, SERVICES, operator_message};

/// Characters of a document or line that a finding quotes.
const EXCERPT_LENGTH: usize = 120;

pub(super) struct ErasedCustomer {
    pub(super) id: CustomerId,
    /// Text that identifies the person: an e-mail address, a name, a street.
    pub(super) words: Vec<String>,
    /// Files, directories of files, or `-` for standard input.
    pub(super) logs: Vec<PathBuf>,
    /// The data directory of a one-process shop. Its files are also searched byte by byte.
    pub(super) directory: Option<PathBuf>,
}

impl ErasedCustomer {
    fn needles(&self) -> Vec<String> {
        std::iter::once(self.id.to_string()).chain(self.words.iter().map(|word| word.to_lowercase())).collect()
    }
}

/// Searches the logs. Call it once: standard input cannot be read twice.
pub(super) fn search_logs(customer: &ErasedCustomer) -> Result<Report, String> {
    let needles = customer.needles();
    let (mut findings, mut lines) = (Vec::new(), 0);
    for log in &customer.logs {
        for file in files(log)? {
            let unreadable = |error: io::Error| format!("{} cannot be read: {error}", file.display());
            let reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
                Box::new(io::stdin().lock())
            } else {
                Box::new(BufReader::new(File::open(&file).map_err(unreadable)?))
            };
            for (number, line) in reader.split(b'\n').enumerate() {
                let line = String::from_utf8_lossy(&line.map_err(unreadable)?).into_owned();
                lines += 1;
                if let Some(word) = first_in(&needles, &line) {
                    findings.push(format!("{}:{}: {word:?}: {}", file.display(), number + 1, excerpt(&line)));
                }
            }
        }
    }
    Ok(Report { findings, scope: format!("{lines} log lines") })
}

fn files(log: &Path) -> Result<Vec<PathBuf>, String> {
    if !log.is_dir() {
        return Ok(vec![log.to_owned()]);
    }
    let unreadable = |error: io::Error| format!("{} cannot be read: {error}", log.display());
    let mut files = Vec::new();
    for entry in log.read_dir().map_err(unreadable)? {
        files.extend(self::files(&entry.map_err(unreadable)?.path())?);
    }
    files.sort();
    Ok(files)
}

pub(super) async fn search(
    databases: &Databases,
    broker: Option<&AmqpOptions>,
    customer: &ErasedCustomer,
) -> Result<Report, String> {
    let needles = customer.needles();
    let (mut findings, mut documents) = (Vec::new(), 0);
    let mut in_notice = Vec::new();
    for database in databases.all() {
        let search = database.find_references(&needles).await.map_err(operator_message)?;
        documents += search.documents;
        let (notices, others): (Vec<_>, Vec<_>) =
            search.references.iter().partition(|reference| is_notice(database.name(), reference, customer));
        in_notice.extend(notices.into_iter().map(|notice| notice.text.to_lowercase()));
        let remaining = others.into_iter().filter(|reference| !is_tombstone(database.name(), reference, customer));
        findings.extend(remaining.map(|PersonalDataReference { collection, id, text, word }| {
            format!("{}: {collection} {id}: {word:?}: {}", database.name(), excerpt(text))
        }));
    }
    let is_in_notice = |word: &&String| in_notice.iter().any(|notice| notice.contains(word.as_str()));
    let words: Vec<String> = needles[1..].iter().filter(|word| !is_in_notice(word)).cloned().collect();
    for file in customer.directory.iter().flat_map(|directory| database_files(directory)) {
        if let Some(word) = first_in_bytes(&file, &words)? {
            findings.push(format!("{}: {word:?} is in the bytes of the file", file.display()));
        }
    }
    let mut scope = format!("{documents} documents");
    if let Some(broker) = broker {
        let letters = search_dead_letters(broker.clone(), &needles, &mut findings).await?;
        scope = format!("{scope}, {letters} dead letters");
    }
    Ok(Report { findings, scope })
}

/// Whether the reference is a tombstone: the document of this id records the erasure, and contains
/// no other word.
fn is_tombstone(database: &str, reference: &PersonalDataReference, customer: &ErasedCustomer) -> bool {
    let id = customer.id.to_string();
    let has_word = customer.words.iter().any(|word| reference.text.to_lowercase().contains(&word.to_lowercase()));
    let records_erasure = match (database, reference.collection.as_str()) {
        ("customer", "accounts") => stored_document(&reference.text)["state"] == "erased",
        ("shopping", "carts" | "wishlists" | "saved_views") => is_closed(&stored_document(&reference.text)),
        ("mail", "erased_customers") | (_, "token_revocations") => true,
        _ => false,
    };
    reference.id == id && records_erasure && !has_word
}

/// Whether the reference is the mail that reports the erasure. `customer` deletes it when it was
/// sent, or after a day.
fn is_notice(database: &str, reference: &PersonalDataReference, customer: &ErasedCustomer) -> bool {
    let mail = || stored_document(&reference.text);
    (database, reference.collection.as_str()) == ("customer", "mails")
        && mail()["kind"] == "account-erased"
        && mail()["account"] == customer.id.to_string()
}

fn is_closed(document: &Value) -> bool {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let mut others = document.as_object().into_iter().flatten().filter(|(name, _)| *name != "closed");
    document["closed"] == true && others.all(|(_, value)| is_empty(value))
}

/// Extracts a stored document. A row of SQLite has the JSON between other columns, a document of
/// MongoDB has it in the field `doc`.
fn stored_document(text: &str) -> Value {
    let begin = text.find('{').unwrap_or(text.len());
    let read = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>().next();
    let mut value = read.and_then(Result::ok).unwrap_or_default();
    value.get_mut("doc").map(Value::take).unwrap_or(value)
}

fn database_files(directory: &Path) -> Vec<PathBuf> {
    let services = SERVICES.into_iter();
    let files = services.flat_map(|service| ["db", "db-wal"].map(|end| directory.join(format!("{service}.{end}"))));
    files.filter(|file| file.exists()).collect()
}

/// Searches a file's bytes, because free pages of SQLite are in no table.
fn first_in_bytes<'w>(file: &Path, words: &'w [String]) -> Result<Option<&'w str>, String> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(first_in(words, &String::from_utf8_lossy(&bytes)))
}

/// Searches the dead letters and returns their number. Events that wait for a consumer cannot be
/// searched, because reading takes them from the queue.
async fn search_dead_letters(
    broker: AmqpOptions,
    needles: &[String],
    findings: &mut Vec<String>,
) -> Result<u64, String> {
    let letters = DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(operator_message)?;
    let mut number = 0;
    let search = |letter: DeadLetter| {
        number += 1;
        let text =
            format!("{} {} {}", letter.reason, Value::from(letter.headers), String::from_utf8_lossy(&letter.body));
        if let Some(word) = first_in(needles, &text) {
            findings.push(format!("dead letter {} of {}: {word:?}: {}", letter.id, letter.queue, excerpt(&text)));
        }
    };
    let listed = letters.list(&DeadLetterFilter::default(), search).await;
    let counts = letters.count().await;
    letters.close().await;
    listed.map_err(operator_message)?;
    let waiting = counts.map_err(operator_message)?.waiting;
    if waiting > 0 {
        findings.push(format!("{waiting} events wait on the broker and cannot be searched"));
    }
    Ok(number)
}

fn first_in<'w>(words: &'w [String], text: &str) -> Option<&'w str> {
    let text = text.to_lowercase();
    words.iter().map(String::as_str).find(|word| text.contains(word))
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.trim().chars().take(EXCERPT_LENGTH).collect();
    if excerpt.len() < text.trim().len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tombstone_is_accepted() {
        let customer = CustomerId::new();
        let erased = ErasedCustomer {
            id: customer,
            words: vec!["Ana@example.com".to_owned()],
            logs: Vec::new(),
            directory: None,
        };
        let id = customer.to_string();
        let tombstone = format!("{id} 3 {{\"state\":\"erased\",\"id\":\"{id}\"}} ");
        let tombstone_in_mongodb =
            format!("{{\"_id\":\"{id}\",\"version\":3,\"doc\":{{\"state\":\"erased\",\"id\":\"{id}\"}}}}");
        let open = format!("{id} 1 {{\"state\":\"open\",\"id\":\"{id}\"}} ");
        let with_address = format!("{tombstone} ana@example.com");
        for (expected, database, collection, at, text) in [
            (true, "customer", "accounts", &id, &tombstone),
            (true, "customer", "accounts", &id, &tombstone_in_mongodb),
            (true, "products", "token_revocations", &id, &id),
            (true, "mail", "erased_customers", &id, &id),
            (false, "mail", "mails", &id, &id),
            (true, "shopping", "carts", &id, &r#"{"lines":[],"closed":true}"#.to_owned()),
            (false, "shopping", "carts", &id, &r#"{"lines":[{"quantity":1}],"closed":true}"#.to_owned()),
            (false, "shopping", "wishlists", &id, &r#"{"products":[],"closed":false}"#.to_owned()),
            (true, "shopping", "saved_views", &id, &r#"{"views":[],"closed":true}"#.to_owned()),
            (false, "customer", "accounts", &id, &open),
            (false, "customer", "accounts", &id, &with_address),
            (false, "customer", "accounts", &CustomerId::new().to_string(), &tombstone),
            (false, "shopping", "accounts", &id, &tombstone),
            (false, "shopping", "carts", &id, &id),
            (false, "shopping", "token_revocations", &CustomerId::new().to_string(), &id),
        ] {
            let reference = PersonalDataReference {
                collection: collection.to_owned(),
                id: at.clone(),
                text: text.clone(),
                word: id.clone(),
            };
            assert_eq!(is_tombstone(database, &reference, &erased), expected, "{database} {collection} {text}");
        }
    }

    #[test]
    fn only_the_notice_of_the_erasure_is_accepted() {
        let (customer, other) = (CustomerId::new(), CustomerId::new());
        let erased = ErasedCustomer { id: customer, words: Vec::new(), logs: Vec::new(), directory: None };
        for (expected, collection, kind, account) in [
            (true, "mails", "account-erased", customer),
            (false, "mails", "account-erased", other),
            (false, "mails", "address-changed", customer),
            (false, "accounts", "account-erased", customer),
        ] {
            let text = format!("id 1 {{\"account\":\"{account}\",\"kind\":\"{kind}\",\"to\":\"ana@example.com\"}} ");
            let (collection, id, word) = (collection.to_owned(), "id".to_owned(), "ana@example.com".to_owned());
            let reference = PersonalDataReference { collection, id, text, word };
            assert_eq!(is_notice("customer", &reference, &erased), expected, "{kind} {account}");
            assert!(!is_notice("shopping", &reference, &erased));
        }
    }

    #[test]
    fn a_long_text_is_shortened() {
        assert_eq!(excerpt(" short "), "short");
        assert_eq!(excerpt(&"ä".repeat(EXCERPT_LENGTH + 1)), format!("{}…", "ä".repeat(EXCERPT_LENGTH)));
    }
}
