//! Domain-named queries. No rule lives here.

use souk_contract::customer::CustomerId;
use souk_store::{Collection, Database, Document, Index};
use souk_types::{Cursor, Page, PageLimit, Paging, Result, Timestamp};

use crate::application::accounts::{Account, Profile};
use crate::application::erasures::{ErasureId, Receipt};
use crate::application::sessions::{Session, SessionId};
use crate::domain::email::Email;

/// A tombstone has no e-mail address, so it is not in this index and the address is free again.
static BY_EMAIL: Index = Index::unique("by_email", &["email"]);
static BY_CUSTOMER: Index = Index::sorted("by_customer", &["customer"], "expires");
/// A receipt that is complete is nobody's and never due, so it is in neither of these.
static RECEIPT_OF: Index = Index::unique("by_customer", &["customer"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "due");

impl Document for Account {
    type Id = CustomerId;
    const COLLECTION: &'static str = "accounts";
    const INDEXES: &'static [Index] = &[BY_EMAIL];
}

impl Document for Session {
    type Id = SessionId;
    const COLLECTION: &'static str = "sessions";
    const INDEXES: &'static [Index] = &[BY_CUSTOMER];
}

impl Document for Receipt {
    type Id = ErasureId;
    const COLLECTION: &'static str = "erasures";
    const INDEXES: &'static [Index] = &[RECEIPT_OF, BY_DUE];
}

/// The accounts, and the tombstones of those that were.
#[derive(Clone)]
pub(crate) struct Accounts(pub(crate) Collection<Account>);

impl Accounts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// An account, unless it is erased.
    pub(crate) async fn get(&self, id: CustomerId) -> Result<Option<Profile>> {
        Ok(self.0.get(id).await?.and_then(Account::into_profile))
    }

    /// The account that has this address.
    pub(crate) async fn by_email(&self, email: &Email) -> Result<Option<Profile>> {
        let found = self.0.get_many_by(&BY_EMAIL, vec![email.as_str().to_owned()]).await?;
        Ok(found.into_iter().find_map(Account::into_profile))
    }

    /// Changes an account by a rule. Errors: the rule's, `Unauthenticated` when it is erased.
    pub(crate) async fn edit<R: Send + 'static>(
        &self,
        id: CustomerId,
        mut rule: impl FnMut(&mut Profile) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.update(id, move |account, _| rule(account.profile_mut()?)).await
    }
}

/// The sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) collection: Collection<Session>,
    database: Database,
}

impl Sessions {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        Ok(Self { collection: database.collection()?, database: database.clone() })
    }

    /// The sessions of a customer, the soonest to expire first; a hundred of them, which is more than anyone may have.
    pub(crate) async fn of(&self, customer: CustomerId) -> Result<Vec<Session>> {
        let limit = PageLimit::try_from(PageLimit::MAX as u64).unwrap_or_default();
        let page = self.collection.find(BY_CUSTOMER.find([customer.to_string()]).first(limit)).await?;
        Ok(page.items)
    }

    /// Deletes sessions, all in one write.
    pub(crate) async fn delete(&self, sessions: &[SessionId]) -> Result<()> {
        self.database
            .run(|tx| async move {
                for id in sessions {
                    tx.delete(&self.collection, *id).await?;
                }
                Ok(())
            })
            .await
    }
}

/// The receipts of erasures.
#[derive(Clone)]
pub(crate) struct Erasures(pub(crate) Collection<Receipt>);

impl Erasures {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// A customer's receipt, until it is complete.
    pub(crate) async fn of(&self, customer: CustomerId) -> Result<Option<Receipt>> {
        Ok(self.0.get_many_by(&RECEIPT_OF, vec![customer.to_string()]).await?.pop())
    }

    /// A page of those that are incomplete and due by now, the longest overdue first.
    pub(crate) async fn due(&self, now: Timestamp, after: Option<Cursor>) -> Result<Page<Receipt>> {
        let limit = PageLimit::try_from(PageLimit::MAX as u64).unwrap_or_default();
        let mut page = self.0.find(BY_DUE.all().page(Paging { after, limit })).await?;
        page.items.retain(|receipt| receipt.is_due(now));
        // The first that is not due yet ends the list.
        page.next = page.next.filter(|_| page.items.len() == limit.get());
        Ok(page)
    }
}
