//! The guard of routes for signed-in customers.

use rocket::request::{FromRequest, Outcome, Request};
use souk_contract::customer::CustomerId;
use souk_http::refuse;
use souk_types::Error;

use crate::app::App;
use crate::application::accounts;

/// A customer with a valid access token and an open account.
pub(crate) struct CustomerAuth {
    pub(crate) id: CustomerId,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CustomerAuth {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("customer is not managed"));
        };
        let authenticate = async {
            let identity = app.verifier.identify(request).await?;
            accounts::get(app, identity.id).await
        };
        match authenticate.await {
            Ok(profile) => Outcome::Success(Self { id: profile.id }),
            Err(error) => refuse(request, error),
        }
    }
}
