//! Sending a mail again that was sent already.

use souk_contract::EventId;
use souk_types::{Error, Result, Timestamp};

use super::{Mail, Status};

impl Mail {
    /// Returns a new mail about the same, with a `Message-ID` of its own. The same `key` gives a
    /// mail that is stored once. Errors: `mail-not-sent`.
    pub(crate) fn resend(&self, id: EventId, key: &str, now: Timestamp) -> Result<Self> {
        if self.status != Status::Sent {
            return Err(Error::conflict(
                "mail-not-sent",
                "The mail was not sent. Retry it instead of sending it again.",
            ));
        }
        // The domain of the sender: `<id@domain>`.
        let domain = self.message_id.trim_end_matches('>').rsplit('@').next().unwrap_or_default();
        let mail = Self::new(id, self.source, domain, now);
        Ok(Self { key: self.resend_key(key), resend_of: Some(self.id), ..mail })
    }

    /// Returns the text that no other mail has than the one that [`Mail::resend`] returns.
    pub(crate) fn resend_key(&self, key: &str) -> String {
        format!("{}/resend/{}/{key}", self.source.key(), self.id)
    }

    /// Returns the mail that was sent before, if this one sends it again.
    pub(crate) fn resend_of(&self) -> Option<EventId> {
        self.resend_of
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::super::tests::{mail, sent};
    use super::*;
    use crate::domain::content::Kind;

    #[test]
    fn only_a_sent_mail_is_sent_again_with_a_message_id_of_its_own() {
        let now = Timestamp::now();
        assert_eq!(
            mail(now).resend(EventId::new(), "key", now).err().map(|error| error.code().to_owned()).as_deref(),
            Some("mail-not-sent")
        );
        let first = sent(Kind::OrderReceived, now);
        let id = EventId::new();
        let again = first.resend(id, "key", now).unwrap();
        assert_eq!(again.message_id(), format!("<{id}@shop.example>"));
        assert_eq!((again.status(), again.resend_of(), again.attempts()), (Status::Queued, Some(first.id()), 0));
        assert!(
            matches!((first.source(), again.source()), (Source::Account { mail: a }, Source::Account { mail: b }) if a == b)
        );
        assert!(again.to().is_none(), "the recipient is asked for again");
    }

    #[test]
    fn a_key_gives_one_mail() {
        let now = Timestamp::now();
        let first = sent(Kind::OrderReceived, now);
        let key = |key: &str| first.resend(EventId::new(), key, now).unwrap().key;
        assert_eq!(key("a"), key("a"));
        assert_eq!(key("a"), first.resend_key("a"));
        assert!(key("a") != key("b") && key("a") != first.key);
    }
}
