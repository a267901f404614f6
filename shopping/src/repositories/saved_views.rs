//! The saved views of admins.

use souk_contract::customer::CustomerId;
use souk_store::{Collection, Database, Document};
use souk_types::Result;

use crate::domain::saved_views::SavedViews;

impl Document for SavedViews {
    type Id = CustomerId;
    const COLLECTION: &'static str = "saved_views";
}

#[derive(Clone)]
pub(crate) struct SavedViewsStore(pub(super) Collection<SavedViews>);

impl SavedViewsStore {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, admin: CustomerId) -> Result<SavedViews> {
        Ok(self.0.get(admin).await?.unwrap_or_default())
    }

    pub(crate) async fn update<R: Send + 'static>(
        &self,
        admin: CustomerId,
        rule: impl Fn(&mut SavedViews) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.upsert(admin, move |slot, _| rule(slot.get_or_insert_default())).await
    }
}
