//! Events that a service could not handle: the list, one of them, replay and drop.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use souk_bus::{DeadLetter, DeadLetterFilter};
use souk_contract::role::Permission;
use souk_types::Timestamp;

use super::orders::moment;
use super::{Admin, Nav, Section};
use crate::dead_letters::{DeadLetterAction, Unavailable, carry_out, masked_body};
use crate::form::Form;
use crate::links::encode;
use crate::locale::{Key, Language};
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/dead-letters";
/// Dead letters on the page. The broker has no pages: reading one takes all before it.
const MAX_LISTED: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    routes![list, show, replay_all, drop_all, act]
}

#[derive(Template)]
#[template(path = "admin/dead-letters.html")]
struct ListPage {
    page: Frame,
    nav: Nav,
    /// `None` when they cannot be shown.
    rows: Option<Vec<Row>>,
    /// Whether there are more than the page lists.
    has_more: bool,
    /// The queue whose dead letters are listed.
    queue: Option<String>,
    /// Why they cannot be shown.
    problem: Option<Key>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/dead-letter.html")]
struct LetterPage {
    page: Frame,
    nav: Nav,
    letter: Row,
    /// `None` when it is no JSON.
    body: Option<String>,
    bytes: u64,
}

/// A dead letter in words.
struct Row {
    url: String,
    queue: String,
    queue_url: String,
    event: String,
    id: String,
    attempts: u32,
    reason: String,
    request: Option<String>,
    published: String,
    first_failed: String,
    failed: String,
}

impl Row {
    fn new(language: Language, letter: &DeadLetter) -> Self {
        let at = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| moment(language, at));
        let list = format!("{}{LIST}", language.prefix());
        let queue = encode(&letter.queue);
        Self {
            url: format!("{list}/{queue}/{}", encode(&letter.id)),
            queue: letter.queue.clone(),
            queue_url: format!("{list}?queue={queue}"),
            event: letter.event.clone().unwrap_or_else(|| "–".to_owned()),
            id: letter.id.clone(),
            attempts: letter.attempts,
            reason: letter.reason.clone(),
            request: letter.request.clone(),
            published: at(letter.published_at),
            first_failed: at(letter.first_failed_at),
            failed: at(letter.dead_lettered_at),
        }
    }
}

impl Unavailable {
    /// Returns what the page says. Errors: 404 for a queue that does not exist.
    fn text(self) -> Result<(Key, Status), PageError> {
        match self {
            Self::OneProcess => Ok((Key("dead-letters-one-process"), Status::Ok)),
            Self::Locked => Ok((Key("dead-letters-locked"), Status::ServiceUnavailable)),
            Self::Unfinished => Ok((Key("dead-letters-unfinished"), Status::ServiceUnavailable)),
            Self::Broker => Ok((Key("dead-letters-down"), Status::ServiceUnavailable)),
            Self::UnknownQueue => Err(PageError::not_found()),
        }
    }
}

#[get("/admin/dead-letters?<queue>&<done>")]
async fn list(visit: Visit<'_>, queue: Option<&str>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::OperateSystem).await?;
    let queue = queue.filter(|queue| !queue.is_empty()).map(str::to_owned);
    list_page(&visit, &admin, queue, done_text(&visit, done), None).await
}

#[get("/admin/dead-letters/<queue>/<id>")]
async fn show(visit: Visit<'_>, queue: &str, id: &str) -> PageResult {
    let admin = Admin::of(&visit, Permission::OperateSystem).await?;
    letter_page(&visit, &admin, queue, id).await
}

#[post("/admin/dead-letters/replay", data = "<form>")]
async fn replay_all(visit: Visit<'_>, form: Form) -> PageResult {
    let queue = form.optional("queue").map(str::to_owned);
    on_all(&visit, DeadLetterAction::Replay, queue).await
}

/// As with `souk dlq`, nothing drops the dead letters of all queues.
#[post("/admin/dead-letters/drop", data = "<form>")]
async fn drop_all(visit: Visit<'_>, form: Form) -> PageResult {
    let queue = form.optional("queue").ok_or_else(PageError::not_found)?.to_owned();
    on_all(&visit, DeadLetterAction::Drop, Some(queue)).await
}

#[post("/admin/dead-letters/<queue>/<id>/<action>", data = "<_form>")]
async fn act(visit: Visit<'_>, queue: &str, id: &str, action: &str, _form: Form) -> PageResult {
    let action = match action {
        "replay" => DeadLetterAction::Replay,
        "drop" => DeadLetterAction::Drop,
        _ => return Err(PageError::not_found()),
    };
    let admin = Admin::of(&visit, Permission::OperateSystem).await?;
    match execute(&visit, &admin, action, one(queue, id)).await {
        // Another admin was faster.
        Ok(0) => Ok(to_list(&visit, None, "none")),
        Ok(_) => Ok(to_list(&visit, None, done_of(action))),
        Err(unavailable) => list_page(&visit, &admin, None, None, Some(unavailable)).await,
    }
}

async fn on_all(visit: &Visit<'_>, action: DeadLetterAction, queue: Option<String>) -> PageResult {
    let admin = Admin::of(visit, Permission::OperateSystem).await?;
    let filter = DeadLetterFilter { queue: queue.clone(), ..DeadLetterFilter::default() };
    match execute(visit, &admin, action, filter).await {
        Ok(0) => Ok(to_list(visit, queue.as_deref(), "none")),
        Ok(_) => Ok(to_list(visit, queue.as_deref(), done_of(action))),
        Err(unavailable) => list_page(visit, &admin, queue, None, Some(unavailable)).await,
    }
}

/// Carries out an action and returns the number of dead letters.
async fn execute(
    visit: &Visit<'_>,
    admin: &Admin,
    action: DeadLetterAction,
    filter: DeadLetterFilter,
) -> Result<usize, Unavailable> {
    let (id, queue) = (filter.id.clone(), filter.queue.clone());
    let count = carry_out(&visit.app.bus, action, filter).await?.len();
    tracing::info!(admin = %admin.id, ?action, ?id, ?queue, count, "an admin works on dead letters");
    Ok(count)
}

async fn list_page(
    visit: &Visit<'_>,
    admin: &Admin,
    queue: Option<String>,
    done: Option<String>,
    refused: Option<Unavailable>,
) -> PageResult {
    let filter = DeadLetterFilter { queue: queue.clone(), limit: Some(MAX_LISTED + 1), id: None };
    let listed = match refused {
        Some(refused) => Err(refused),
        None => carry_out(&visit.app.bus, DeadLetterAction::List, filter).await,
    };
    let (page, nav) =
        admin.frame(visit, Section::DeadLetters, visit.text("admin-nav-dead-letters").to_string()).await?;
    let (letters, problem, status) = match listed {
        Ok(letters) => (Some(letters), None, Status::Ok),
        Err(unavailable) => {
            let (text, status) = unavailable.text()?;
            (None, Some(text), status)
        }
    };
    let has_more = letters.as_ref().is_some_and(|letters| letters.len() > MAX_LISTED);
    let rows = letters.map(|letters| {
        letters.iter().take(MAX_LISTED).map(|letter| Row::new(visit.language, letter)).collect::<Vec<_>>()
    });
    Ok(Page::personal(&ListPage { page, nav, rows, has_more, queue, problem, done })?.status(status).into())
}

async fn letter_page(visit: &Visit<'_>, admin: &Admin, queue: &str, id: &str) -> PageResult {
    let letter = match carry_out(&visit.app.bus, DeadLetterAction::List, one(queue, id)).await {
        Ok(letters) => letters.into_iter().next().ok_or_else(PageError::not_found)?,
        Err(unavailable) => return list_page(visit, admin, None, None, Some(unavailable)).await,
    };
    let title = letter.event.clone().unwrap_or_else(|| letter.id.clone());
    let (page, nav) = admin.frame(visit, Section::DeadLetters, title).await?;
    let template = LetterPage {
        page,
        nav,
        body: masked_body(&letter.body),
        bytes: u64::try_from(letter.body.len()).unwrap_or(u64::MAX),
        letter: Row::new(visit.language, &letter),
    };
    Ok(Page::personal(&template)?.into())
}

/// Selects one dead letter.
fn one(queue: &str, id: &str) -> DeadLetterFilter {
    DeadLetterFilter { id: Some(id.to_owned()), queue: Some(queue.to_owned()), limit: Some(1) }
}

fn done_of(action: DeadLetterAction) -> &'static str {
    match action {
        DeadLetterAction::List => "none",
        DeadLetterAction::Replay => "replayed",
        DeadLetterAction::Drop => "dropped",
    }
}

fn done_text(visit: &Visit<'_>, done: Option<&str>) -> Option<String> {
    let key = match done? {
        "replayed" => Key("dead-letters-replayed"),
        "dropped" => Key("dead-letters-dropped"),
        "none" => Key("dead-letters-gone"),
        _ => return None,
    };
    Some(visit.text(key).to_string())
}

fn to_list(visit: &Visit<'_>, queue: Option<&str>, done: &str) -> Answer {
    let queue = queue.map(|queue| format!("queue={}&", encode(queue))).unwrap_or_default();
    Answer::SeeOther(visit.url(&format!("{LIST}?{queue}done={done}")))
}
