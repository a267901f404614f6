//! The guards of routes for signed-in customers and for admins.

use souk_http::auth::{Authenticator, Identity};
use souk_types::Result;

use crate::app::App;
use crate::application::accounts;

pub(crate) type CustomerAuth = souk_http::auth::CustomerAuth<App>;
pub(crate) type Staff<P> = souk_http::auth::StaffAuth<App, P>;

impl Authenticator for App {
    async fn authenticate(&self, token: &str) -> Result<Identity> {
        let identity = self.verifier.verify(token).await?;
        identity.require_generation(accounts::get(self, identity.id).await?.generation())
    }
}
