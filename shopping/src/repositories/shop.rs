//! The documents of the shop: settings, tax rates, shipping, discounts. Each change also counts up
//! one revision, in the same commit, so that other instances see by one small read that something
//! has changed.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use souk_store::{Collection, Database, Document, Index, Tx};
use souk_types::{EntityTag, Error, Page, Paging, Precondition, Result};

use crate::domain::discount::{Discount, DiscountId};
use crate::domain::settings::Settings;
use crate::domain::shipping::Shipping;
use crate::domain::shop::ShopConfig;
use crate::domain::tax_rates::TaxRates;

static BY_ID: Index = Index::sorted("by_id", &[], "id");
static BY_CODE: Index = Index::unique("by_code", &["folded_code"]);

/// The id of the only document of its collection.
#[derive(Clone, Copy)]
pub(crate) struct SingletonId;

impl fmt::Display for SingletonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shop")
    }
}

/// A document of the shop, and the number of its changes. 0 means that none is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Versioned<T> {
    version: u64,
    pub(crate) value: T,
}

impl<T> Versioned<T> {
    pub(crate) fn default_of(value: T) -> Self {
        Self { version: 0, value }
    }

    pub(crate) fn tag(&self) -> EntityTag {
        EntityTag::strong(self.version)
    }
}

/// A whole document that an admin edits.
pub(crate) trait ConfigDocument: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    const COLLECTION: &'static str;
}

impl ConfigDocument for Settings {
    const COLLECTION: &'static str = "settings";
}

impl ConfigDocument for TaxRates {
    const COLLECTION: &'static str = "taxes";
}

impl ConfigDocument for Shipping {
    const COLLECTION: &'static str = "shipping";
}

impl<T: ConfigDocument> Document for Versioned<T> {
    type Id = SingletonId;
    const COLLECTION: &'static str = T::COLLECTION;
}

/// The number of changes of all these documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revision {
    number: u64,
}

impl Document for Revision {
    type Id = SingletonId;
    const COLLECTION: &'static str = "shop_revision";
}

impl Document for Discount {
    type Id = DiscountId;
    const COLLECTION: &'static str = "discounts";
    const NOUN: &'static str = "discount";
    const INDEXES: &'static [Index] = &[BY_ID, BY_CODE];
}

#[derive(Clone)]
pub(crate) struct ShopStore {
    database: Database,
    settings: Collection<Versioned<Settings>>,
    taxes: Collection<Versioned<TaxRates>>,
    shipping: Collection<Versioned<Shipping>>,
    discounts: Collection<Discount>,
    revision: Collection<Revision>,
}

impl ShopStore {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        Ok(Self {
            database: database.clone(),
            settings: database.collection()?,
            taxes: database.collection()?,
            shipping: database.collection()?,
            discounts: database.collection()?,
            revision: database.collection()?,
        })
    }

    pub(crate) async fn revision(&self) -> Result<Revision> {
        Ok(self.revision.get(SingletonId).await?.unwrap_or_default())
    }

    /// Returns all documents; those of `defaults` where none is stored.
    pub(crate) async fn load(&self, defaults: ShopConfig) -> Result<ShopConfig> {
        let settings = self.settings.get(SingletonId).await?.map_or(defaults.settings, |stored| stored.value);
        let taxes = self.taxes.get(SingletonId).await?.map_or(defaults.taxes, |stored| stored.value);
        let shipping = self.shipping.get(SingletonId).await?.map_or(defaults.shipping, |stored| stored.value);
        Ok(ShopConfig { settings, taxes, shipping, discounts: self.discounts().await? })
    }

    /// Returns all discounts, oldest first.
    pub(crate) async fn discounts(&self) -> Result<Vec<Discount>> {
        let mut discounts = Vec::new();
        self.discounts.scan(|_, discount| discounts.push(discount)).await?;
        discounts.sort_by_key(|discount| discount.id);
        Ok(discounts)
    }

    /// Returns a page of discounts, oldest first.
    pub(crate) async fn discount_page(&self, paging: Paging) -> Result<Page<Discount>> {
        self.discounts.find(BY_ID.all().page(paging)).await
    }

    pub(crate) async fn discount(&self, id: DiscountId) -> Result<Discount> {
        self.discounts.get(id).await?.ok_or_else(|| Error::not_found(Discount::NOUN))
    }

    pub(crate) async fn settings(&self) -> Result<Option<Versioned<Settings>>> {
        self.settings.get(SingletonId).await
    }

    pub(crate) async fn taxes(&self) -> Result<Option<Versioned<TaxRates>>> {
        self.taxes.get(SingletonId).await
    }

    pub(crate) async fn shipping(&self) -> Result<Option<Versioned<Shipping>>> {
        self.shipping.get(SingletonId).await
    }

    pub(crate) async fn put_settings(&self, value: Settings, on: &Precondition) -> Result<Versioned<Settings>> {
        self.put(&self.settings, value, on).await
    }

    pub(crate) async fn put_taxes(&self, value: TaxRates, on: &Precondition) -> Result<Versioned<TaxRates>> {
        self.put(&self.taxes, value, on).await
    }

    pub(crate) async fn put_shipping(&self, value: Shipping, on: &Precondition) -> Result<Versioned<Shipping>> {
        self.put(&self.shipping, value, on).await
    }

    /// Errors: `precondition-required`, `precondition-failed`.
    async fn put<T: ConfigDocument>(
        &self,
        collection: &Collection<Versioned<T>>,
        value: T,
        precondition: &Precondition,
    ) -> Result<Versioned<T>> {
        let value = &value;
        self.change(|tx| async move {
            let version = tx.get(collection, SingletonId).await?.map_or(0, |stored| stored.version);
            let stale = |error: Error| error.with_member("version", version);
            precondition.require(|tag| tag == version.to_string()).map_err(stale)?;
            let changed = Versioned { version: version + 1, value: value.clone() };
            tx.put(collection, SingletonId, &changed).await?;
            Ok(changed)
        })
        .await
    }

    /// Stores a new discount. Errors: `duplicate` for a code that another discount has.
    pub(crate) async fn insert_discount(&self, discount: Discount) -> Result<Discount> {
        let (discounts, discount) = (&self.discounts, &discount);
        self.change(|tx| async move {
            tx.put(discounts, discount.id, discount).await?;
            Ok(discount.clone())
        })
        .await
    }

    /// Changes a discount by a rule; `None` deletes it. Errors: `duplicate`, `not-found`, the
    /// rule's.
    pub(crate) async fn change_discount(
        &self,
        id: DiscountId,
        rule: impl Fn(Discount) -> Result<Option<Discount>> + Sync,
    ) -> Result<Option<Discount>> {
        let (discounts, rule) = (&self.discounts, &rule);
        self.change(|tx| async move {
            let discount = tx.get(discounts, id).await?.ok_or_else(|| Error::not_found(Discount::NOUN))?;
            let changed = rule(discount)?;
            match &changed {
                Some(changed) => tx.put(discounts, id, changed).await?,
                None => tx.delete(discounts, id).await?,
            }
            Ok(changed)
        })
        .await
    }

    /// Runs `work` and counts up the revision, in one commit.
    async fn change<R, F: Future<Output = Result<R>>>(&self, work: impl Fn(Tx) -> F) -> Result<R> {
        let (revisions, work) = (&self.revision, &work);
        self.database
            .run(|tx| async move {
                let Revision { number } = tx.get(revisions, SingletonId).await?.unwrap_or_default();
                tx.put(revisions, SingletonId, &Revision { number: number + 1 }).await?;
                work(tx).await
            })
            .await
    }
}
