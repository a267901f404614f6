//! Verification of the e-mail address.

use rocket::response::status::NoContent;
use rocket::{Route, State, post, routes};
use souk_http::{ClientNetwork, Json, NoInput};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::verification;
use crate::domain::mail::MailToken;

pub(super) fn routes() -> Vec<Route> {
    routes![verify, resend]
}

struct Verification {
    /// `None` when the text is malformed.
    token: Option<MailToken>,
}

impl Input for Verification {
    fn read(fields: &mut Fields) -> Option<Self> {
        let text: String = fields.required("token")?;
        Some(Self { token: text.parse().ok() })
    }
}

#[post("/verify", data = "<body>")]
async fn verify(app: &State<App>, network: ClientNetwork, body: Json<Verification>) -> souk_http::Result<NoContent> {
    verification::verify(app, body.0.token, network.0).await?;
    Ok(NoContent)
}

#[post("/verify/resend", data = "<_input>")]
async fn resend(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    _input: NoInput,
) -> souk_http::Result<NoContent> {
    verification::resend(app, auth.id(), network.0).await?;
    Ok(NoContent)
}
