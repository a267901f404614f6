//! Use cases of the views that admins save.

use souk_contract::customer::CustomerId;
use souk_types::{Page, Result};

use crate::App;
use crate::domain::saved_views::{NewView, SavedView, SavedViewId};

/// Returns the views of an admin, in the order in which they were saved.
pub(crate) async fn list(app: &App, admin: CustomerId) -> Result<Page<SavedView>> {
    Ok(Page::single(app.store.saved_views.get(admin).await?.into_views()))
}

/// Saves a view; one of the same name is replaced. Errors: `too-many-views`.
pub(crate) async fn save(app: &App, admin: CustomerId, view: NewView) -> Result<SavedView> {
    app.store.saved_views.update(admin, move |views| views.save(view.clone())).await
}

/// Errors: `NotFound`.
pub(crate) async fn remove(app: &App, admin: CustomerId, id: SavedViewId) -> Result<()> {
    app.store.saved_views.update(admin, move |views| views.remove(id)).await
}
