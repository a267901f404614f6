//! Where a word is written, in all that a database holds.

/// What a search went through, and what it found.
#[derive(Debug, Clone, Default)]
pub struct ReferenceSearch {
    /// Documents, and what waits beside them, that were looked at.
    pub documents: u64,
    /// Those in which a word is written.
    pub references: Vec<PersonalDataReference>,
}

/// A document in which a word is written.
#[derive(Debug, Clone)]
pub struct PersonalDataReference {
    /// Where it is kept.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// All of it, as text.
    pub text: String,
    /// The word, in small letters; the first, when there are several.
    pub word: String,
}

impl ReferenceSearch {
    /// Looks at one document, of which the id is a part. The words are in small letters.
    pub(super) fn look(&mut self, words: &[String], collection: &str, id: &str, text: String) {
        self.documents += 1;
        let small = format!("{} {}", id.to_lowercase(), text.to_lowercase());
        if let Some(word) = words.iter().find(|word| small.contains(*word)) {
            let (collection, id, word) = (collection.to_owned(), id.to_owned(), word.clone());
            self.references.push(PersonalDataReference { collection, id, text, word });
        }
    }
}
