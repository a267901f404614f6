//! The sessions of a customer: where the account is signed in, and how to end one of them.

use askama::Template;
use rocket::{get, post};
use souk_types::Timestamp;

use crate::api::account::{AccountSession, Device};
use crate::form::Form;
use crate::page::{Answer, Frame, Page, PageResult, filters};
use crate::visit::Visit;

const PATH: &str = "/account/sessions";

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsPage {
    page: Frame,
    sessions: Vec<Row>,
    /// Whether a session was ended before.
    has_ended: bool,
}

struct Row {
    id: String,
    device: String,
    /// Whether this browser has the session.
    is_current: bool,
    opened: Option<String>,
    last_used: Option<String>,
}

#[get("/account/sessions?<done>")]
pub(super) async fn list(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let token = visit.require_customer().await?;
    let (frame, sessions) =
        tokio::join!(visit.frame(visit.text("sessions-title").to_string()), visit.api.sessions(&token));
    // The part of a refresh token before its dot is the id of its session.
    let own = visit.session.refresh_token();
    let own = own.as_deref().and_then(|token| token.split_once('.')).map(|(id, _)| id);
    let moment = |moment: Option<Timestamp>| moment.map(|moment| visit.language.date(moment));
    let row = |session: AccountSession| Row {
        device: device(&visit, &session.device),
        is_current: own == Some(session.id.as_str()),
        opened: moment(session.opened_at),
        last_used: moment(session.last_used_at),
        id: session.id,
    };
    let sessions = sessions?.into_iter().map(row).collect();
    Ok(Page::personal(&SessionsPage { page: frame?, sessions, has_ended: done.is_some() })?.into())
}

/// A session that has ended meanwhile counts as ended.
#[post("/account/sessions/<id>/end", data = "<_form>")]
pub(super) async fn end(visit: Visit<'_>, id: &str, _form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    match visit.api.end_session(&token, id).await {
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(Answer::SeeOther(format!("{}?done=ended", visit.url(PATH)))),
    }
}

/// Names a device in the language of the page.
pub(super) fn device(visit: &Visit<'_>, device: &Device) -> String {
    match (&device.browser, &device.system) {
        (Some(browser), Some(system)) => {
            visit.text("sessions-device").arg("browser", browser.as_str()).arg("system", system.as_str()).to_string()
        }
        (Some(known), None) | (None, Some(known)) => known.clone(),
        (None, None) => visit.text("sessions-unknown").to_string(),
    }
}
