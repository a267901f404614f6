//! Search for personal data in a whole database.

/// Result of a search for personal data.
#[derive(Debug, Clone, Default)]
pub struct ReferenceSearch {
    /// Number of documents searched, including outbox and inbox.
    pub documents: u64,
    /// Documents that contain a word.
    pub references: Vec<PersonalDataReference>,
}

/// A document that contains a searched word.
#[derive(Debug, Clone)]
pub struct PersonalDataReference {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// The whole document as text.
    pub text: String,
    /// The first word found, in lower case.
    pub word: String,
}

impl ReferenceSearch {
    /// Searches one document, including its id. The words are in lower case.
    pub(super) fn add(&mut self, words: &[String], collection: &str, id: &str, text: String) {
        self.documents += 1;
        let lower = format!("{} {}", id.to_lowercase(), text.to_lowercase());
        if let Some(word) = words.iter().find(|word| lower.contains(*word)) {
            let (collection, id, word) = (collection.to_owned(), id.to_owned(), word.clone());
            self.references.push(PersonalDataReference { collection, id, text, word });
        }
    }
}
