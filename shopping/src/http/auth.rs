//! Authentication of customers and guests.

use rocket::request::{FromRequest, Outcome, Request};
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::{ClientLanguage, ClientNetwork, guard_outcome};
use souk_types::{Error, Result};

use crate::App;
use crate::application::cart::CartOwner;
use crate::application::checkout::Client;
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
        guard_outcome(request, owner_of(request).await.map(|(owner, _)| owner))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Client {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let ClientNetwork(network) = ClientNetwork::of(request);
        let named = ClientLanguage::of(request).0;
        let client = owner_of(request).await.map(|(owner, identity)| {
            let is_verified = identity.is_some_and(|identity| identity.is_email_verified);
            let of_account = identity.map(|identity| identity.language);
            Self { owner, network, is_verified, language: named.or(of_account).unwrap_or_default() }
        });
        guard_outcome(request, client)
    }
}

/// Returns the owner of the cart that a request is about, and the identity of an account.
async fn owner_of(request: &Request<'_>) -> Result<(CartOwner, Option<Identity>)> {
    let app = request.rocket().state::<App>().ok_or_else(|| Error::internal("App is not managed"))?;
    let token = auth::bearer_token(request)?;
    if is_guest_token(token) {
        return Ok((CartOwner::Guest(app.guest_tokens.verify(token).await?), None));
    }
    let identity = app.authenticate(token).await?;
    Ok((CartOwner::Customer(identity.id), Some(identity)))
}
