//! Routes for admins: the mails to customers. `docs/mail.md` documents them.

use rocket::http::Status as HttpStatus;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, get, post, routes};
use souk_contract::EventId;
use souk_http::auth::permission::{AssistCustomers, OperateSystem};
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};
use souk_http::{NoInput, OptionalKey, Param, Query, Replayable, Result, with_limits};
use souk_types::Page;

use crate::App;
use crate::application::admin_mails::{self, MailSummary};
use crate::application::ledger::MailRecord;
use crate::domain::list_query::MailQuery;

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
) -> Result<JsonResponse<Page<MailRecord>>> {
    Ok(JsonResponse(admin_mails::list(app, query.0).await?))
}

#[get("/summary")]
async fn get_summary(app: &State<App>, _staff: Staff<AssistCustomers>) -> Result<JsonResponse<MailSummary>> {
    Ok(JsonResponse(admin_mails::summary(app).await?))
}

#[get("/<id>")]
async fn get_mail(
    app: &State<App>,
    _staff: Staff<AssistCustomers>,
    id: Param<EventId>,
) -> Result<JsonResponse<MailRecord>> {
    Ok(JsonResponse(admin_mails::get(app, id.0).await?))
}

#[post("/<id>/retry", data = "<_input>")]
async fn retry_mail(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<EventId>,
    _input: NoInput,
) -> Result<(HttpStatus, JsonResponse<MailRecord>)> {
    Ok((HttpStatus::Accepted, JsonResponse(admin_mails::retry(app, staff.id(), id.0).await?)))
}

#[post("/<id>/resend", data = "<_input>")]
async fn resend_mail(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<EventId>,
    key: OptionalKey,
    _input: NoInput,
) -> Result<Replayable<(HttpStatus, JsonResponse<MailRecord>)>> {
    let (mail, replayed) = admin_mails::resend(app, staff.id(), id.0, key.0).await?;
    Ok(Replayable { replayed, response: (HttpStatus::Accepted, JsonResponse(mail)) })
}

#[get("/admin/documents")]
async fn get_documents(
    app: &State<App>,
    _staff: Staff<OperateSystem>,
    query: Query<DocumentsQuery>,
) -> Result<JsonResponse<DocumentsPage>> {
    Ok(JsonResponse(documents::read(&app.database, &query.0).await?))
}
