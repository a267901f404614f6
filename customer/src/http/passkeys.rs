//! Passkeys.

use rocket::http::Status;
use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use souk_http::{ClientNetwork, Json, NoInput, Param};
use souk_types::Timestamp;
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use super::client_info::SignInClient;
use super::sessions::SignInView;
use crate::app::App;
use crate::application::credentials::FreshProof;
use crate::application::passkeys;
use crate::domain::device::Device;
use crate::domain::passkey::{Assertion, NewCredential, Passkey, PasskeyId, PasskeyName};
use crate::domain::password::PasswordGuess;

pub(super) fn routes() -> Vec<Route> {
    routes![begin, add, list, remove, begin_sign_in, sign_in]
}

/// What a client needs to make a passkey.
#[derive(Serialize)]
struct CreationView {
    /// `PublicKeyCredentialCreationOptionsJSON`.
    options: Value,
    /// The device that asks, as an idea for the name.
    device: Device,
}

#[post("/passkeys/options", data = "<proof>")]
async fn begin(
    app: &State<App>,
    auth: CustomerAuth,
    client: SignInClient,
    proof: Json<FreshProof>,
) -> souk_http::Result<JsonResponse<CreationView>> {
    let options = passkeys::begin(app, auth.identity(), proof.0, client.0.network).await?;
    Ok(JsonResponse(CreationView { options, device: client.0.device }))
}

struct NewPasskey {
    name: PasskeyName,
    credential: NewCredential,
}

/// Reads a member whose type the standard defines.
fn credential<T>(fields: &mut Fields, kind: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    let json: Value = fields.required("credential")?;
    match read(&json) {
        Some(credential) => Some(credential),
        None => fields.refuse("credential", &format!("is not the JSON of {kind}")),
    }
}

impl Input for NewPasskey {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let credential = credential(fields, "a PublicKeyCredential of a registration", NewCredential::read);
        Some(Self { name: name?, credential: credential? })
    }
}

#[derive(Serialize)]
pub(super) struct PasskeyView {
    id: PasskeyId,
    name: PasskeyName,
    created_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl From<&Passkey> for PasskeyView {
    fn from(passkey: &Passkey) -> Self {
        Self {
            id: passkey.id(),
            name: passkey.name().clone(),
            created_at: passkey.created_at(),
            last_used_at: passkey.last_used_at(),
        }
    }
}

#[post("/passkeys", data = "<new>")]
async fn add(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    new: Json<NewPasskey>,
) -> souk_http::Result<(Status, JsonResponse<PasskeyView>)> {
    let NewPasskey { name, credential } = new.0;
    let passkey = passkeys::finish(app, auth.id(), credential, name, network.0).await?;
    Ok((Status::Created, JsonResponse((&passkey).into())))
}

/// All passkeys of a customer: at most 10.
#[derive(Serialize)]
struct PasskeysView {
    items: Vec<PasskeyView>,
}

#[get("/passkeys")]
async fn list(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<JsonResponse<PasskeysView>> {
    let passkeys = passkeys::list(app, auth.id()).await?;
    Ok(JsonResponse(PasskeysView { items: passkeys.iter().map(PasskeyView::from).collect() }))
}

struct Removal {
    current: PasswordGuess,
}

impl Input for Removal {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("current").map(|current| Self { current })
    }
}

#[delete("/passkeys/<id>", data = "<removal>")]
async fn remove(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    id: Param<PasskeyId>,
    removal: Json<Removal>,
) -> souk_http::Result<NoContent> {
    passkeys::remove(app, auth.identity(), id.0, removal.0.current, network.0).await?;
    Ok(NoContent)
}

/// What a client needs to sign in with a passkey.
#[derive(Serialize)]
struct RequestView {
    /// `PublicKeyCredentialRequestOptionsJSON`.
    options: Value,
}

#[post("/login/passkey/options", data = "<_input>")]
async fn begin_sign_in(
    app: &State<App>,
    network: ClientNetwork,
    _input: NoInput,
) -> souk_http::Result<JsonResponse<RequestView>> {
    Ok(JsonResponse(RequestView { options: passkeys::begin_sign_in(app, network.0).await? }))
}

struct PasskeySignIn {
    credential: Assertion,
}

impl Input for PasskeySignIn {
    fn read(fields: &mut Fields) -> Option<Self> {
        credential(fields, "a PublicKeyCredential of a sign-in", Assertion::read).map(|credential| Self { credential })
    }
}

#[post("/login/passkey", data = "<body>")]
async fn sign_in(
    app: &State<App>,
    client: SignInClient,
    body: Json<PasskeySignIn>,
) -> souk_http::Result<JsonResponse<SignInView>> {
    Ok(JsonResponse(passkeys::sign_in(app, body.0.credential, client.0).await?.into()))
}
