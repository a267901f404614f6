//! Collections and their queries, under domain names. Rules are in `domain/`.

use serde::{Deserialize, Serialize};
use souk_contract::EventId;
use souk_contract::customer::CustomerId;
use souk_http::auth::TokenRevocations;
use souk_store::{Collection, Database, Direction, Document, Due, Filter, Index};
use souk_types::{CappedCount, Error, ErrorKind, Page, Result, Timestamp};

use crate::domain::list_query::MailQuery;
use crate::domain::mail::Mail;

/// A mail for the same reason is the same mail, even if its event was published again under another
/// id, as `souk backup` does.
static BY_KEY: Index = Index::unique("by_key", &["key"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "schedule.due");
static BY_STATUS: Index = Index::by("by_status", &["status"]);
static BY_ORDER: Index = Index::by("by_order", &["source.order"]);
static BY_CUSTOMER: Index = Index::by("by_customer", &["customer"]);

/// Opens all collections, for a command that works on every document.
pub fn open_collections(database: &Database) -> Result<()> {
    Mails::open(database)?;
    ErasedCustomers::open(database)?;
    TokenRevocations::open(database)?;
    Ok(())
}

impl Document for Mail {
    type Id = EventId;
    const COLLECTION: &'static str = "mails";
    const NOUN: &'static str = "mail";
    const INDEXES: &'static [Index] = &[BY_KEY, BY_DUE, BY_STATUS, BY_ORDER, BY_CUSTOMER];
}

#[derive(Clone)]
pub(crate) struct Mails(Collection<Mail>);

impl Mails {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// Stores a mail and returns true, unless it exists. One write.
    pub(crate) async fn add(&self, mail: Mail) -> Result<bool> {
        match self.0.insert(mail.id(), mail).await {
            Err(error) if error.is_duplicate() => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    pub(crate) async fn get(&self, id: EventId) -> Result<Option<Mail>> {
        self.0.get(id).await
    }

    /// Returns the mail with this key.
    pub(crate) async fn by_key(&self, key: String) -> Result<Option<Mail>> {
        Ok(self.0.find(BY_KEY.find([key])).await?.items.into_iter().next())
    }

    /// Queues a mail that was not sent, and returns it. Errors: `NotFound`; `mail-sent`.
    pub(crate) async fn retry(&self, id: EventId) -> Result<Mail> {
        let retry = |mail: &mut Mail| {
            mail.retry(Timestamp::now())?;
            Ok(mail.clone())
        };
        self.update(id, retry).await?.ok_or_else(|| Error::not_found("mail"))
    }

    /// Stores a mail that sends one again, unless that is stored under this key. Returns the stored
    /// one, and whether it was stored before. Errors: `NotFound`; `mail-not-sent`.
    pub(crate) async fn resend(&self, id: EventId, key: &str) -> Result<(Mail, bool)> {
        let sent = self.get(id).await?.ok_or_else(|| Error::not_found("mail"))?;
        let mail = sent.resend(EventId::new(), key, Timestamp::now())?;
        if self.add(mail.clone()).await? {
            return Ok((mail, false));
        }
        let stored = self.by_key(sent.resend_key(key)).await?;
        Ok((stored.ok_or_else(|| Error::not_found("mail"))?, true))
    }

    /// Changes a mail by a rule. `None`: the mail was deleted.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        id: EventId,
        mut rule: impl FnMut(&mut Mail) -> Result<R> + Send + 'static,
    ) -> Result<Option<R>> {
        match self.0.update(id, move |mail, _| rule(mail)).await {
            Ok(result) => Ok(Some(result)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn delete(&self, id: EventId) -> Result<()> {
        let delete = |slot: &mut Option<Mail>, _: &mut _| {
            *slot = None;
            Ok(())
        };
        self.0.upsert(id, delete).await
    }

    pub(crate) async fn of_customer(&self, customer: CustomerId) -> Result<Vec<Mail>> {
        Ok(self.0.find(BY_CUSTOMER.find([customer.to_string()])).await?.items)
    }

    /// Returns a page of the mails, newest first. Each filter alone reads its index in order of the
    /// ids, which sort by the time of the event.
    pub(crate) async fn list(&self, query: MailQuery) -> Result<Page<Mail>> {
        self.0.filter(filter(&query)?.page(query.paging)).await
    }

    /// Counts the mails that a query selects. The page does not matter.
    pub(crate) async fn count(&self, query: &MailQuery) -> Result<CappedCount> {
        self.0.count(filter(query)?).await
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(Mail) + Send) -> Result<()> {
        self.0.scan(|_, mail| visit(mail)).await
    }

    pub(crate) fn due(&self) -> Due<Mail> {
        self.0.due(&BY_DUE)
    }
}

fn filter(query: &MailQuery) -> Result<Filter> {
    let mut filter = Filter::all(Direction::Descending);
    if let Some(order) = query.order {
        filter = filter.within(&BY_ORDER, vec![vec![order.to_string()]]);
    }
    if let Some(status) = query.status {
        let status = serde_json::to_value(status).map_err(Error::internal)?;
        filter = filter.within(&BY_STATUS, vec![vec![status]]);
    }
    Ok(filter)
}

/// Remembers that no mail may refer to a customer any more.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ErasedCustomer {
    id: CustomerId,
    at: Timestamp,
}

impl Document for ErasedCustomer {
    type Id = CustomerId;
    const COLLECTION: &'static str = "erased_customers";
    const NOUN: &'static str = "erased customer";
}

#[derive(Clone)]
pub(crate) struct ErasedCustomers(Collection<ErasedCustomer>);

impl ErasedCustomers {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn add(&self, customer: CustomerId) -> Result<()> {
        let add = move |slot: &mut Option<ErasedCustomer>, _: &mut _| {
            slot.get_or_insert_with(|| ErasedCustomer { id: customer, at: Timestamp::now() });
            Ok(())
        };
        self.0.upsert(customer, add).await
    }

    pub(crate) async fn contains(&self, customer: CustomerId) -> Result<bool> {
        Ok(self.0.get(customer).await?.is_some())
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(CustomerId) + Send) -> Result<()> {
        self.0.scan(|_, erased| visit(erased.id)).await
    }
}
