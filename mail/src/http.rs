//! Routes for admins: the mails to customers. `docs/mail.md` documents them.

use rocket::http::Status as HttpStatus;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::serde::json::Json as Body;
use rocket::{Route, State, get, post, routes};
use souk_contract::EventId;
use souk_http::auth::permission::{AssistCustomers, OperateSystem};
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};
use souk_http::{NoInput, Param, Query, Result, guard_outcome, with_limits};
use souk_types::{Error, Page};

use crate::App;
use crate::application::ledger::MailRecord;
use crate::application::list::{self, MailSummary};
use crate::domain::list_query::MailQuery;
use crate::domain::mail::ResendKey;

/// Returns the routes of this service. They need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_limits(routes![list_mails, get_summary, get_mail, retry_mail, resend_mail, get_documents])
}

type Staff<P> = auth::StaffAuth<App, P>;

impl Authenticator for App {
    async fn authenticate(&self, token: &str) -> souk_types::Result<Identity> {
        let identity = self.verifier.verify(token).await?;
        self.revocations.require_unrevoked(identity).await
    }
}

#[get("/")]
async fn list_mails(
    app: &State<App>,
    _staff: Staff<AssistCustomers>,
    query: Query<MailQuery>,
) -> Result<Body<Page<MailRecord>>> {
    Ok(Body(list::list(app, query.0).await?))
}

#[get("/summary")]
async fn get_summary(app: &State<App>, _staff: Staff<AssistCustomers>) -> Result<Body<MailSummary>> {
    Ok(Body(list::summary(app).await?))
}

#[get("/<id>")]
async fn get_mail(app: &State<App>, _staff: Staff<AssistCustomers>, id: Param<EventId>) -> Result<Body<MailRecord>> {
    Ok(Body(list::get(app, id.0).await?))
}

#[post("/<id>/retry", data = "<_input>")]
async fn retry_mail(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<EventId>,
    _input: NoInput,
) -> Result<(HttpStatus, Body<MailRecord>)> {
    Ok((HttpStatus::Accepted, Body(list::retry(app, staff.id(), id.0).await?)))
}

/// An `Idempotency-Key` that may be missing.
struct OptionalKey(Option<ResendKey>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for OptionalKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let header = souk_http::header(request, "Idempotency-Key");
        guard_outcome(request, header.and_then(|key| key.map(str::parse).transpose()).map(Self))
    }
}

#[post("/<id>/resend", data = "<_input>")]
async fn resend_mail(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<EventId>,
    key: OptionalKey,
    _input: NoInput,
) -> Result<(HttpStatus, Body<MailRecord>)> {
    Ok((HttpStatus::Accepted, Body(list::resend(app, staff.id(), id.0, key.0).await?)))
}

#[get("/admin/documents")]
async fn get_documents(
    app: &State<App>,
    _staff: Staff<OperateSystem>,
    query: Query<DocumentsQuery>,
) -> Result<Body<DocumentsPage>> {
    Ok(Body(documents::read(&app.database, &query.0).await?))
}
