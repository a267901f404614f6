//! The guard that tells where a sign-in comes from.

use std::convert::Infallible;

use rocket::Request;
use rocket::outcome::try_outcome;
use rocket::request::{FromRequest, Outcome};
use souk_http::{ClientLanguage, ClientNetwork};

use crate::domain::device::{ClientInfo, Device};

/// Request guard: the client's network and its device.
pub(super) struct SignInClient(pub(super) ClientInfo);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SignInClient {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let network = try_outcome!(request.guard::<ClientNetwork>().await).0;
        let device = request.headers().get_one("User-Agent").map(Device::from_user_agent).unwrap_or_default();
        let ClientLanguage(language) = ClientLanguage::of(request);
        Outcome::Success(Self(ClientInfo { network, device, language }))
    }
}
