//! A new password for a customer who has forgotten the old one.

use rocket::response::status::NoContent;
use rocket::{Route, State, post, routes};
use souk_http::{ClientNetwork, Json};
use souk_types::Email;
use souk_types::input::{Fields, Input};

use crate::app::App;
use crate::application::password_reset;
use crate::domain::mail::MailToken;
use crate::domain::password::Password;

pub(super) fn routes() -> Vec<Route> {
    routes![forgot, reset]
}

struct ResetRequest {
    email: Email,
}

impl Input for ResetRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.required("email")? })
    }
}

#[post("/password/forgot", data = "<body>")]
async fn forgot(app: &State<App>, network: ClientNetwork, body: Json<ResetRequest>) -> souk_http::Result<NoContent> {
    password_reset::request(app, &body.0.email, network.0).await?;
    Ok(NoContent)
}

struct Reset {
    /// `None` when the text is malformed.
    token: Option<MailToken>,
    new: Password,
}

impl Input for Reset {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (token, new) = (fields.required::<String>("token"), fields.required("new"));
        Some(Self { token: token?.parse().ok(), new: new? })
    }
}

#[post("/password/reset", data = "<body>")]
async fn reset(app: &State<App>, network: ClientNetwork, body: Json<Reset>) -> souk_http::Result<NoContent> {
    let Reset { token, new } = body.0;
    password_reset::reset(app, token, new, network.0).await?;
    Ok(NoContent)
}
