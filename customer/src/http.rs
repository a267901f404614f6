//! HTTP in, one call, HTTP out. The routes are documented in `docs/api.md`.

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::NoContent;
use rocket::response::{self, Responder};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Route, State, delete, get, patch, post, put, routes};
use souk_contract::customer::Keys;
use souk_http::auth::Identity;
use souk_http::telemetry::whoami;
use souk_http::{Json, Param, refuse, with_limits};
use souk_types::Error;
use souk_types::input::{Fields, Input};

use crate::App;
use crate::application::accounts::{self as account, Changes, PasswordChange, ProfileView};
use crate::application::erasures::{self as erasure, ErasureId, ReceiptView};
use crate::application::exports::{self as export, Export};
use crate::application::sessions::{self as session, SignIn};
use crate::application::sign_in::{self as signin, Login};
use crate::application::sign_up::{self as signup, NewAccount};
use crate::domain::address::{self, Address, AddressId, Place};

/// The routes of this service, to be mounted where its prefix is; they need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_limits(routes![
        sign_up,
        sign_in,
        refresh,
        sign_out,
        profile,
        change_profile,
        export_all,
        erase,
        see_erasure,
        add_address,
        replace_address,
        remove_address,
        change_password,
        keys,
        who
    ])
}

/// Somebody who is signed in, with an account that is open.
struct SignedIn(Identity);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SignedIn {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("customer is not managed"));
        };
        let signed_in = async {
            let identity = app.verifier.identify(request).await?;
            account::get(app, identity.id).await.map(|_| identity)
        };
        match signed_in.await {
            Ok(identity) => Outcome::Success(Self(identity)),
            Err(error) => refuse(request, error),
        }
    }
}

#[post("/signup", data = "<new>")]
async fn sign_up(app: &State<App>, new: Json<NewAccount>) -> souk_http::Result<(Status, Answer<SignIn>)> {
    Ok((Status::Created, Answer(signup::sign_up(app, new.0).await?)))
}

#[post("/login", data = "<login>")]
async fn sign_in(app: &State<App>, login: Json<Login>) -> souk_http::Result<Answer<SignIn>> {
    Ok(Answer(signin::sign_in(app, login.0).await?))
}

/// The body of the routes that take a refresh token.
struct Continue(String);

impl Input for Continue {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("refresh_token").map(Self)
    }
}

#[post("/token", data = "<token>")]
async fn refresh(app: &State<App>, token: Json<Continue>) -> souk_http::Result<Answer<SignIn>> {
    Ok(Answer(session::refresh(app, &token.0.0).await?))
}

#[post("/logout", data = "<token>")]
async fn sign_out(app: &State<App>, token: Json<Continue>) -> souk_http::Result<NoContent> {
    session::sign_out(app, &token.0.0).await?;
    Ok(NoContent)
}

#[get("/profile")]
async fn profile(app: &State<App>, who: SignedIn) -> souk_http::Result<Answer<ProfileView>> {
    Ok(Answer(account::get(app, who.0.id).await?.into()))
}

#[patch("/profile", data = "<changes>")]
async fn change_profile(
    app: &State<App>,
    who: SignedIn,
    changes: Json<Changes>,
) -> souk_http::Result<Answer<ProfileView>> {
    Ok(Answer(account::change(app, who.0.id, changes.0).await?.into()))
}

#[get("/profile/export")]
async fn export_all(app: &State<App>, who: SignedIn) -> souk_http::Result<Answer<Export>> {
    Ok(Answer(export::export(app, who.0.id).await?))
}

/// An erasure that has begun, and where to see what becomes of it.
struct Accepted(ReceiptView);

impl<'r> Responder<'r, 'static> for Accepted {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let location = format!("/customer/erasure/{}", self.0.id);
        let mut answer = (Status::Accepted, Answer(self.0)).respond_to(request)?;
        answer.set_raw_header("Location", location);
        Ok(answer)
    }
}

#[delete("/profile")]
async fn erase(app: &State<App>, who: SignedIn) -> souk_http::Result<Accepted> {
    Ok(Accepted(erasure::erase(app, who.0.id).await?))
}

/// Open to whoever knows the id: who was erased cannot sign in any more.
#[get("/erasure/<id>")]
async fn see_erasure(app: &State<App>, id: Param<ErasureId>) -> souk_http::Result<Answer<ReceiptView>> {
    Ok(Answer(erasure::see(app, id.0).await?))
}

#[post("/address", data = "<place>")]
async fn add_address(
    app: &State<App>,
    who: SignedIn,
    place: Json<Place>,
) -> souk_http::Result<(Status, Answer<Address>)> {
    Ok((Status::Created, Answer(address::add(app, who.0.id, place.0).await?)))
}

#[put("/address/<id>", data = "<place>")]
async fn replace_address(
    app: &State<App>,
    who: SignedIn,
    id: Param<AddressId>,
    place: Json<Place>,
) -> souk_http::Result<Answer<Address>> {
    Ok(Answer(address::replace(app, who.0.id, id.0, place.0).await?))
}

#[delete("/address/<id>")]
async fn remove_address(app: &State<App>, who: SignedIn, id: Param<AddressId>) -> souk_http::Result<NoContent> {
    address::remove(app, who.0.id, id.0).await?;
    Ok(NoContent)
}

#[put("/password", data = "<change>")]
async fn change_password(
    app: &State<App>,
    who: SignedIn,
    change: Json<PasswordChange>,
) -> souk_http::Result<NoContent> {
    account::change_password(app, who.0.id, change.0).await?;
    Ok(NoContent)
}

/// The public keys (RFC 7517), for those who verify tokens by themselves. They change when an operator changes the key.
#[get("/.well-known/jwks.json")]
fn keys(app: &State<App>) -> Answer<Keys> {
    Answer(app.keys())
}

#[get("/whoami")]
fn who() -> Answer<Value> {
    Answer(whoami("customer"))
}
