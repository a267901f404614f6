//! Sign-in, refresh and sign-out.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, post, routes};
use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_http::auth::TOKEN_LIFETIME;
use souk_http::{ClientNetwork, Json};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::credentials;
use crate::application::sessions::{self, Credentials, SignIn};
use crate::domain::session::RefreshToken;

pub(super) fn routes() -> Vec<Route> {
    routes![sign_in, refresh, sign_out, sign_out_everywhere]
}

#[derive(Serialize)]
pub(super) struct SignInView {
    id: CustomerId,
    token: String,
    refresh_token: String,
    /// Lifetime of `token` in seconds.
    expires_in: u64,
}

impl From<SignIn> for SignInView {
    fn from(SignIn { customer, access_token, refresh_token }: SignIn) -> Self {
        Self {
            id: customer,
            token: access_token,
            refresh_token: refresh_token.to_string(),
            expires_in: TOKEN_LIFETIME.as_secs(),
        }
    }
}

/// Accepts any text as an e-mail address. The sign-in refuses a malformed address like an unknown
/// one.
impl Input for Credentials {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required::<String>("email"), fields.required("password"));
        Some(Self { email: email?.parse().ok(), password: password? })
    }
}

#[post("/login", data = "<credentials>")]
async fn sign_in(
    app: &State<App>,
    network: ClientNetwork,
    credentials: Json<Credentials>,
) -> souk_http::Result<JsonResponse<SignInView>> {
    Ok(JsonResponse(sessions::sign_in(app, credentials.0, network.0).await?.into()))
}

struct RefreshTokenBody {
    /// `None` when the text is malformed.
    token: Option<RefreshToken>,
}

impl Input for RefreshTokenBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let text: String = fields.required("refresh_token")?;
        Some(Self { token: text.parse().ok() })
    }
}

#[post("/token", data = "<body>")]
async fn refresh(
    app: &State<App>,
    network: ClientNetwork,
    body: Json<RefreshTokenBody>,
) -> souk_http::Result<JsonResponse<SignInView>> {
    Ok(JsonResponse(sessions::refresh(app, body.0.token, network.0).await?.into()))
}

#[post("/logout", data = "<body>")]
async fn sign_out(app: &State<App>, body: Json<RefreshTokenBody>) -> souk_http::Result<NoContent> {
    if let Some(token) = body.0.token {
        sessions::sign_out(app, &token).await?;
    }
    Ok(NoContent)
}

#[delete("/sessions")]
async fn sign_out_everywhere(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<NoContent> {
    credentials::sign_out_everywhere(app, auth.id()).await?;
    Ok(NoContent)
}
