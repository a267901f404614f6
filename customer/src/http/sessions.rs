//! Sign-in, refresh and sign-out.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, get, post, routes};
use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_http::auth::TOKEN_LIFETIME;
use souk_http::{ClientNetwork, Json, Param};
use souk_types::Timestamp;
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use super::client_info::SignInClient;
use crate::app::App;
use crate::application::sessions::{self, SignIn};
use crate::application::sign_in::{CodeAnswer, Credentials};
use crate::application::{self, credentials};
use crate::domain::device::Device;
use crate::domain::session::{RefreshToken, Session, SessionId};

pub(super) fn routes() -> Vec<Route> {
    routes![sign_in, refresh, sign_out, list, end, sign_out_everywhere]
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
        let code = fields.optional("code");
        Some(Self { email: email?.parse().ok(), password: password?, code })
    }
}

/// A sign-in by the password, or its second request, which brings the code.
enum SignInRequest {
    Password(Credentials),
    Code(CodeAnswer),
}

impl Input for SignInRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let is_answer = fields.is_given("challenge");
        let challenge = fields.optional::<String>("challenge");
        if !is_answer {
            return Credentials::read(fields).map(Self::Password);
        }
        for name in ["email", "password"] {
            fields.forbid(name, "is not sent with a challenge, which stands for it");
        }
        let code = fields.required("code");
        Some(Self::Code(CodeAnswer { challenge: challenge?.parse().ok(), code: code? }))
    }
}

#[post("/login", data = "<request>")]
async fn sign_in(
    app: &State<App>,
    client: SignInClient,
    request: Json<SignInRequest>,
) -> souk_http::Result<JsonResponse<SignInView>> {
    let signed_in = match request.0 {
        SignInRequest::Password(credentials) => application::sign_in::sign_in(app, credentials, client.0).await,
        SignInRequest::Code(answer) => application::sign_in::answer_challenge(app, answer, client.0).await,
    };
    Ok(JsonResponse(signed_in?.into()))
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

#[derive(Serialize)]
pub(super) struct SessionView {
    /// The part of its refresh tokens before the dot.
    id: SessionId,
    device: Device,
    opened_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    expires_at: Timestamp,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id(),
            device: session.device(),
            opened_at: session.opened_at(),
            last_used_at: session.last_used_at(),
            expires_at: session.expires_at(),
        }
    }
}

/// All sessions of a customer: at most 20.
#[derive(Serialize)]
struct SessionsView {
    items: Vec<SessionView>,
}

#[get("/sessions")]
async fn list(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<JsonResponse<SessionsView>> {
    let sessions = sessions::active(app, auth.id()).await?;
    Ok(JsonResponse(SessionsView { items: sessions.iter().rev().map(SessionView::from).collect() }))
}

#[delete("/sessions/<id>")]
async fn end(app: &State<App>, auth: CustomerAuth, id: Param<SessionId>) -> souk_http::Result<NoContent> {
    sessions::end(app, auth.id(), id.0).await?;
    Ok(NoContent)
}

#[delete("/sessions")]
async fn sign_out_everywhere(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<NoContent> {
    credentials::sign_out_everywhere(app, auth.id()).await?;
    Ok(NoContent)
}
