//! `souk audit --erased ID`: whether anything is left of somebody who asked to be forgotten, in the databases, among the dead letters, or in
//! logs. What may stay are tombstones: that this id was used, in `accounts`; that its tokens are refused, in each `closed_accounts`; that
//! nothing can be put into its cart and on its wishlist any more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use souk_bus::{AmqpOptions, DeadLetter, DeadLetterFilter, DeadLetters};
use souk_contract::customer::CustomerId;
use souk_store::PersonalDataReference;

use super::{Databases, Findings, text};

/// Of a leftover so many characters are shown.
const SHOWN: usize = 120;

/// Whose traces are looked for, and where besides.
pub(crate) struct Erased {
    pub(crate) customer: CustomerId,
    /// What else would lead to the person: an e-mail address, a name, a street.
    pub(crate) words: Vec<String>,
    /// Files, folders of files, or `-` for the standard input.
    pub(crate) logs: Vec<PathBuf>,
    /// The one-process shop's, whose files are searched byte by byte, too.
    pub(crate) directory: Option<PathBuf>,
}

impl Erased {
    /// All that is looked for, in small letters.
    fn wanted(&self) -> Vec<String> {
        std::iter::once(self.customer.to_string()).chain(self.words.iter().map(|word| word.to_lowercase())).collect()
    }
}

/// What the logs say, which are read once: a pipe cannot be read twice.
pub(super) fn logs(erased: &Erased) -> Result<Findings, String> {
    let wanted = erased.wanted();
    let (mut breaches, mut lines) = (Vec::new(), 0);
    for log in &erased.logs {
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
                if let Some(word) = first_in(&wanted, &line) {
                    breaches.push(format!("{}:{}: {word:?}: {}", file.display(), number + 1, shown(&line)));
                }
            }
        }
    }
    Ok(Findings { breaches, summary: format!("{lines} lines of logs") })
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

/// Everything else: it may change while it is waited for.
pub(super) async fn look(
    databases: &Databases,
    broker: Option<&AmqpOptions>,
    erased: &Erased,
) -> Result<Findings, String> {
    let wanted = erased.wanted();
    let (mut breaches, mut documents) = (Vec::new(), 0);
    for database in databases.all() {
        let search = database.find_references(&wanted).await.map_err(text)?;
        documents += search.documents;
        let left = search.references.iter().filter(|reference| !may_stay(database.name(), reference, erased));
        breaches.extend(left.map(|PersonalDataReference { collection, id, text, word }| {
            format!("{}: {collection} {id}: {word:?}: {}", database.name(), shown(text))
        }));
    }
    for file in erased.directory.iter().flat_map(|directory| database_files(directory)) {
        if let Some(word) = in_bytes(&file, &wanted[1..])? {
            breaches.push(format!("{}: {word:?} is in its bytes", file.display()));
        }
    }
    let mut summary = format!("{documents} documents");
    if let Some(broker) = broker {
        let letters = letters(broker.clone(), &wanted, &mut breaches).await?;
        summary = format!("{summary}, {letters} dead letters");
    }
    Ok(Findings { breaches, summary })
}

/// Only the id itself, where it says that it is gone.
fn may_stay(database: &str, reference: &PersonalDataReference, erased: &Erased) -> bool {
    let id = erased.customer.to_string();
    let others = erased.words.iter().any(|word| reference.text.to_lowercase().contains(&word.to_lowercase()));
    let is_tombstone = match (database, reference.collection.as_str()) {
        ("customer", "accounts") => document(&reference.text)["state"] == "erased",
        ("shopping", "carts" | "wishlists") => is_closed(&document(&reference.text)),
        (_, "closed_accounts") => true,
        _ => false,
    };
    reference.id == id && is_tombstone && !others
}

/// Whether a cart or a wishlist says that it is closed, and nothing else.
fn is_closed(document: &Value) -> bool {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let mut others = document.as_object().into_iter().flatten().filter(|(name, _)| *name != "closed");
    document["closed"] == true && others.all(|(_, value)| is_empty(value))
}

/// What is kept. SQLite's row has other columns before and after the JSON, MongoDB's is JSON around it.
fn document(text: &str) -> Value {
    let begin = text.find('{').unwrap_or(text.len());
    let read = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>().next();
    let mut value = read.and_then(Result::ok).unwrap_or_default();
    value.get_mut("doc").map(Value::take).unwrap_or(value)
}

fn database_files(directory: &Path) -> Vec<PathBuf> {
    let services = ["customer", "products", "shopping"].into_iter();
    let files = services.flat_map(|service| ["db", "db-wal"].map(|end| directory.join(format!("{service}.{end}"))));
    files.filter(|file| file.exists()).collect()
}

/// Pages that SQLite uses no more are in no table.
fn in_bytes<'w>(file: &Path, words: &'w [String]) -> Result<Option<&'w str>, String> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(first_in(words, &String::from_utf8_lossy(&bytes)))
}

/// How many there are. What still waits for its listener cannot be looked into without taking it away from them.
async fn letters(broker: AmqpOptions, wanted: &[String], breaches: &mut Vec<String>) -> Result<u64, String> {
    let letters = DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(text)?;
    let mut number = 0;
    let see = |letter: DeadLetter| {
        number += 1;
        let said =
            format!("{} {} {}", letter.reason, Value::from(letter.headers), String::from_utf8_lossy(&letter.body));
        if let Some(word) = first_in(wanted, &said) {
            breaches.push(format!("dead letter {} of {}: {word:?}: {}", letter.id, letter.queue, shown(&said)));
        }
    };
    let looked = letters.list(&DeadLetterFilter { id: None, queue: None }, see).await;
    let counted = letters.count().await;
    letters.close().await;
    looked.map_err(text)?;
    let waiting = counted.map_err(text)?.waiting;
    if waiting > 0 {
        breaches.push(format!("{waiting} events wait for their listeners, and nobody can look into them"));
    }
    Ok(number)
}

fn first_in<'w>(words: &'w [String], text: &str) -> Option<&'w str> {
    let small = text.to_lowercase();
    words.iter().map(String::as_str).find(|word| small.contains(word))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(SHOWN).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tombstone_may_stay() {
        let customer = CustomerId::new();
        let erased = Erased { customer, words: vec!["Ana@example.com".to_owned()], logs: Vec::new(), directory: None };
        let id = customer.to_string();
        let gone = format!("{id} 3 {{\"state\":\"erased\",\"id\":\"{id}\"}} ");
        let gone_in_mongodb =
            format!("{{\"_id\":\"{id}\",\"version\":3,\"doc\":{{\"state\":\"erased\",\"id\":\"{id}\"}}}}");
        let open = format!("{id} 1 {{\"state\":\"open\",\"id\":\"{id}\"}} ");
        let with_address = format!("{gone} ana@example.com");
        for (stays, database, collection, at, text) in [
            (true, "customer", "accounts", &id, &gone),
            (true, "customer", "accounts", &id, &gone_in_mongodb),
            (true, "products", "closed_accounts", &id, &id),
            (true, "shopping", "carts", &id, &r#"{"lines":[],"closed":true}"#.to_owned()),
            (false, "shopping", "carts", &id, &r#"{"lines":[{"quantity":1}],"closed":true}"#.to_owned()),
            (false, "shopping", "wishlists", &id, &r#"{"seen":[],"closed":false}"#.to_owned()),
            (false, "customer", "accounts", &id, &open),
            (false, "customer", "accounts", &id, &with_address),
            (false, "customer", "accounts", &CustomerId::new().to_string(), &gone),
            (false, "shopping", "accounts", &id, &gone),
            (false, "shopping", "carts", &id, &id),
            (false, "shopping", "closed_accounts", &CustomerId::new().to_string(), &id),
        ] {
            let reference = PersonalDataReference {
                collection: collection.to_owned(),
                id: at.clone(),
                text: text.clone(),
                word: id.clone(),
            };
            assert_eq!(may_stay(database, &reference, &erased), stays, "{database} {collection} {text}");
        }
    }

    #[test]
    fn a_leftover_is_shown_in_short() {
        assert_eq!(shown(" short "), "short");
        assert_eq!(shown(&"ä".repeat(SHOWN + 1)), format!("{}…", "ä".repeat(SHOWN)));
    }
}
