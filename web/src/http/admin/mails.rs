//! The mails to customers: all of them, another attempt for one that failed, and sending one again.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use souk_contract::EventId;
use souk_contract::role::Permission;
use souk_contract::shopping::OrderId;
use souk_http::Param;

use super::orders::{moment, order_path};
use super::{Admin, Nav, Section};
use crate::api::admin_mails::{Mail, MailStatus};
use crate::api::{List, Problem, Result as ApiResult};
use crate::form::Form;
use crate::idempotency::{key_of, new_key};
use crate::links::encode;
use crate::locale::{Key, Language};
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/mails";
/// Mails on one page.
const PAGE_SIZE: usize = 50;

pub(super) fn routes() -> Vec<Route> {
    routes![list, retry, resend]
}

#[derive(Template)]
#[template(path = "admin/mails.html")]
struct MailsPage {
    page: Frame,
    nav: Nav,
    /// The views: name, URL, whether it is shown.
    views: Vec<(String, String, bool)>,
    /// `None` while `mail` does not answer.
    rows: Option<Vec<Row>>,
    filter: Filter,
    /// The page of the order whose mails are listed.
    order_url: Option<String>,
    first: Option<String>,
    next: Option<String>,
    /// The key of the forms that send a mail again.
    key: String,
    /// What has happened: class and text.
    notice: Option<(&'static str, String)>,
}

/// What the list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filter {
    status: Option<MailStatus>,
    order: Option<OrderId>,
}

impl Filter {
    /// Reads the parameters. What cannot be read selects everything.
    fn of(status: Option<&str>, order: Option<&str>) -> Self {
        Self { status: status.and_then(MailStatus::parse), order: order.and_then(|order| order.parse().ok()) }
    }

    /// Returns the URL of the list, with further parameters.
    fn url(self, visit: &Visit<'_>, further: Option<String>) -> String {
        let status = self.status.map(|status| format!("status={}", status.as_str()));
        let order = self.order.map(|order| format!("order={order}"));
        let query = [status, order, further].into_iter().flatten().collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        visit.url(&format!("{LIST}{mark}{query}"))
    }

    fn status_name(&self) -> &'static str {
        self.status.map_or("", MailStatus::as_str)
    }

    fn order_id(&self) -> String {
        self.order.map(|order| order.to_string()).unwrap_or_default()
    }
}

/// A mail in words.
pub(super) struct Row {
    created: String,
    pub(super) kind: String,
    pub(super) to: String,
    order_url: Option<String>,
    pub(super) status: String,
    pub(super) tone: &'static str,
    /// When it was sent, or is tried again.
    pub(super) at: Option<String>,
    attempts: u32,
    error: Option<String>,
    /// Whether it sends another one again.
    is_resend: bool,
    /// Where the form that sends it again goes to; `None` before the first attempt.
    pub(super) again_url: Option<String>,
}

impl Row {
    pub(super) fn new(language: Language, mail: Mail) -> Self {
        let url = |path: String| format!("{}{path}", language.prefix());
        let is_unwritten = mail.status == MailStatus::Queued && mail.kind.is_none() && mail.error.is_none();
        let kind = mail.kind.map(|kind| language.text_of_code("code-mail-", &kind).unwrap_or(kind));
        let subject = if mail.order.is_some() { Key("mails-about-order") } else { Key("mails-about-account") };
        let no_recipient =
            || if is_unwritten { language.text("mails-unwritten").to_string() } else { "–".to_owned() };
        let status = mail.status.as_str();
        Self {
            created: moment(language, mail.created),
            kind: kind.unwrap_or_else(|| language.text(subject).to_string()),
            to: mail.to.unwrap_or_else(no_recipient),
            order_url: mail.order.map(|order| url(order_path(&order))),
            status: language.text_of_code("code-mail-status-", status).unwrap_or_else(|| status.to_owned()),
            tone: match mail.status {
                MailStatus::Queued => "tone-wait",
                MailStatus::Sent => "tone-good",
                MailStatus::Failed | MailStatus::Obsolete => "tone-off",
            },
            at: match (mail.sent_at, mail.next_attempt) {
                (Some(sent), _) => Some(moment(language, sent)),
                (None, Some(next)) => {
                    Some(language.text(Key("mails-next-attempt")).arg("at", moment(language, next)).to_string())
                }
                (None, None) => None,
            },
            attempts: mail.attempts,
            error: mail.error,
            is_resend: mail.resend_of.is_some(),
            again_url: {
                let action = if mail.status == MailStatus::Sent { "resend" } else { "retry" };
                (!is_unwritten).then(|| url(format!("{LIST}/{}/{action}", mail.id)))
            },
        }
    }
}

#[get("/admin/mails?<status>&<order>&<after>&<done>")]
async fn list(
    visit: Visit<'_>,
    status: Option<&str>,
    order: Option<&str>,
    after: Option<&str>,
    done: Option<&str>,
) -> PageResult {
    let admin = Admin::of(&visit, Permission::AssistCustomers).await?;
    let done = match done {
        Some("retried") => Some(Key("mails-retried")),
        Some("resent") => Some(Key("mails-resent")),
        _ => None,
    };
    let notice = done.map(|key| ("success", visit.text(key).to_string()));
    page(&visit, &admin, Filter::of(status, order), after, (Status::Ok, notice), new_key()?).await
}

#[post("/admin/mails/<id>/retry", data = "<form>")]
async fn retry(visit: Visit<'_>, id: Param<EventId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::AssistCustomers).await?;
    let outcome = visit.api.retry_mail(&admin.token, id.0).await;
    // It was sent meanwhile.
    answer(&visit, &admin, &form, outcome, "retried", Key("mails-sent")).await
}

#[post("/admin/mails/<id>/resend", data = "<form>")]
async fn resend(visit: Visit<'_>, id: Param<EventId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::AssistCustomers).await?;
    let outcome = visit.api.resend_mail(&admin.token, id.0, &key_of(&form)?).await;
    // Another admin retries it.
    answer(&visit, &admin, &form, outcome, "resent", Key("mails-not-sent")).await
}

/// Leads back to the page that has the form. `conflict` says why nothing was done.
async fn answer(
    visit: &Visit<'_>,
    admin: &Admin,
    form: &Form,
    outcome: ApiResult<()>,
    done: &str,
    conflict: Key,
) -> PageResult {
    let filter = Filter::of(form.optional("status"), form.optional("order"));
    let (text, status) = match outcome {
        Ok(()) => {
            let to_order = filter.order.filter(|_| form.get("back") == "order");
            let order = to_order.map(|order| visit.url(&format!("{}?done=mail-{done}", order_path(&order))));
            return Ok(Answer::SeeOther(order.unwrap_or_else(|| filter.url(visit, Some(format!("done={done}"))))));
        }
        Err(Problem::Unavailable) => (Key("mails-down"), Status::ServiceUnavailable),
        Err(Problem::Refused(refusal)) if refusal.status == 409 => (conflict, Status::Conflict),
        Err(problem) => return Err(problem.into()),
    };
    let notice = Some(("error", visit.text(text).to_string()));
    // With the same key: the request of a lost response may have sent the mail.
    page(visit, admin, filter, None, (status, notice), key_of(form)?).await
}

/// Renders the list with the status and what has happened. `key` is that of the forms which send a
/// mail again.
async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    filter: Filter,
    after: Option<&str>,
    (status, notice): (Status, Option<(&'static str, String)>),
    key: String,
) -> PageResult {
    let title = visit.text("admin-nav-mails").to_string();
    let (frame, mails) = tokio::join!(
        admin.frame(visit, Section::Mails, title),
        visit.api.mails(&admin.token, filter.status, filter.order, PAGE_SIZE, after)
    );
    let (page, nav) = frame?;
    let (rows, next, status) = match mails {
        Ok(List { items, next }) => {
            (Some(items.into_iter().map(|mail| Row::new(visit.language, mail)).collect()), next, status)
        }
        Err(Problem::Unavailable) => (None, None, Status::ServiceUnavailable),
        // A cursor of another list.
        Err(problem) if problem.status() == 422 => return Err(PageError::not_found()),
        Err(problem) => return Err(problem.into()),
    };
    let view = |status: Option<MailStatus>| {
        let name = match status {
            Some(status) => visit.language.text_of_code("code-mail-status-", status.as_str()).unwrap_or_default(),
            None => visit.text("orders-view-all").to_string(),
        };
        (name, Filter { status, ..filter }.url(visit, None), status == filter.status)
    };
    let template = MailsPage {
        page,
        nav,
        views: std::iter::once(None).chain(MailStatus::ALL.map(Some)).map(view).collect(),
        rows,
        filter,
        order_url: filter.order.map(|order| visit.url(&order_path(&order))),
        first: after.map(|_| filter.url(visit, None)),
        next: next.map(|next| filter.url(visit, Some(format!("after={}", encode(&next))))),
        key,
        notice,
    };
    Ok(Page::personal(&template)?.status(status).into())
}
