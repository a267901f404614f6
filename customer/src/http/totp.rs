//! The second step of a sign-in.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, post, routes};
use serde::Serialize;
use souk_http::{ClientNetwork, Json};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::totp;
use crate::domain::password::PasswordGuess;
use crate::domain::totp::StepCode;

pub(super) fn routes() -> Vec<Route> {
    routes![begin, confirm, turn_off]
}

struct Begin {
    current: PasswordGuess,
}

impl Input for Begin {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("current").map(|current| Self { current })
    }
}

#[derive(Serialize)]
struct SecretView {
    secret: String,
    uri: String,
}

#[post("/totp", data = "<body>")]
async fn begin(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    body: Json<Begin>,
) -> souk_http::Result<JsonResponse<SecretView>> {
    let new = totp::begin(app, auth.identity(), body.0.current, network.0).await?;
    Ok(JsonResponse(SecretView { secret: new.secret.text(), uri: new.uri }))
}

struct Confirm {
    code: StepCode,
}

impl Input for Confirm {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("code").map(|code| Self { code })
    }
}

#[derive(Serialize)]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

#[post("/totp/confirm", data = "<body>")]
async fn confirm(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    body: Json<Confirm>,
) -> souk_http::Result<JsonResponse<RecoveryCodes>> {
    Ok(JsonResponse(RecoveryCodes { recovery_codes: totp::confirm(app, auth.id(), body.0.code, network.0).await? }))
}

struct TurnOff {
    current: PasswordGuess,
    code: StepCode,
}

impl Input for TurnOff {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (current, code) = (fields.required("current"), fields.required("code"));
        Some(Self { current: current?, code: code? })
    }
}

#[delete("/totp", data = "<body>")]
async fn turn_off(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    body: Json<TurnOff>,
) -> souk_http::Result<NoContent> {
    let TurnOff { current, code } = body.0;
    totp::turn_off(app, auth.id(), current, code, network.0).await?;
    Ok(NoContent)
}
