//! Authentication of customers and guests.

use rocket::request::{FromRequest, Outcome, Request};
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::guard_outcome;
use souk_types::{Error, Result};

use crate::App;
use crate::application::cart::CartOwner;
use crate::providers::guest_token::is_guest_token;

pub(super) type CustomerAuth = auth::CustomerAuth<App>;

pub(super) type Staff<P> = auth::StaffAuth<App, P>;

impl Authenticator for App {
    async fn authenticate(&self, token: &str) -> Result<Identity> {
        if is_guest_token(token) {
            return Err(Error::unauthenticated("A guest token gives access to its cart only; sign in first."));
        }
        let identity = self.verifier.verify(token).await?;
        self.revocations.require_unrevoked(identity).await
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CartOwner {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let owner = async {
            let app = request.rocket().state::<App>().ok_or_else(|| Error::internal("App is not managed"))?;
            let token = auth::bearer_token(request)?;
            if is_guest_token(token) {
                app.guest_tokens.verify(token).await.map(Self::Guest)
            } else {
                app.authenticate(token).await.map(|identity| Self::Customer(identity.id))
            }
        };
        guard_outcome(request, owner.await)
    }
}
