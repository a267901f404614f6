//! The admins: their list, and forms to add and to remove one.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use souk_contract::customer::CustomerId;
use souk_http::Param;

use super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/admins";

pub(super) fn routes() -> Vec<Route> {
    routes![list, add, remove]
}

#[derive(Template)]
#[template(path = "admin/admins.html")]
struct AdminsPage {
    page: Frame,
    nav: Nav,
    admins: Vec<Row>,
    add_url: String,
    /// The address that was refused.
    email: String,
    /// What has happened: `(class, text)`.
    notice: Option<(&'static str, Key)>,
}

struct Row {
    email: String,
    since: String,
    /// `None` for the admin who looks.
    remove_url: Option<String>,
}

#[get("/admin/admins?<done>")]
async fn list(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit).await?;
    let done = match done {
        Some("added") => Some(("success", Key("admins-added"))),
        Some("removed") => Some(("success", Key("admins-removed"))),
        _ => None,
    };
    page(&visit, &admin, "", done, Status::Ok).await
}

#[post("/admin/admins/new", data = "<form>")]
async fn add(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit).await?;
    let email = form.get("email");
    match visit.api.add_admin(&admin.token, email).await {
        Ok(()) => Ok(Answer::SeeOther(format!("{}?done=added", visit.url(LIST)))),
        Err(problem) => refuse(&visit, &admin, email, problem).await,
    }
}

#[post("/admin/admins/<id>/remove", data = "<_form>")]
async fn remove(visit: Visit<'_>, id: Param<CustomerId>, _form: Form) -> PageResult {
    let admin = Admin::of(&visit).await?;
    match visit.api.remove_admin(&admin.token, id.0).await {
        Ok(()) => Ok(Answer::SeeOther(format!("{}?done=removed", visit.url(LIST)))),
        // Another admin was faster.
        Err(problem) if problem.status() == 404 => Ok(Answer::SeeOther(format!("{}?done=removed", visit.url(LIST)))),
        Err(problem) => refuse(&visit, &admin, "", problem).await,
    }
}

/// Shows the page with the reason of a refusal. Errors: any other problem.
async fn refuse(visit: &Visit<'_>, admin: &Admin, email: &str, problem: Problem) -> PageResult {
    let text = match (problem.status(), problem.code()) {
        (404, _) => Key("admins-unknown"),
        (409, "email-not-verified") => Key("admins-not-verified"),
        (409, "own-role") => Key("admins-own-role"),
        (409, _) => Key("admins-full"),
        (422, _) => Key("admins-invalid"),
        _ => return Err(problem.into()),
    };
    page(visit, admin, email, Some(("error", text)), Status::new(problem.status())).await
}

async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    email: &str,
    notice: Option<(&'static str, Key)>,
    status: Status,
) -> PageResult {
    let title = visit.text("admin-nav-admins").to_string();
    let (frame, admins) = tokio::join!(admin.frame(visit, Section::Admins, title), visit.api.admins(&admin.token));
    let (mut page, nav) = frame?;
    // A refused form has an address of its own, which no other language has.
    (page.path, page.query) = (LIST.to_owned(), String::new());
    let remove_url = |id: CustomerId| visit.url(&format!("{LIST}/{id}/remove"));
    let admins = admins?.into_iter().map(|account| Row {
        since: visit.language.date(account.created_at),
        remove_url: (account.id != admin.id).then(|| remove_url(account.id)),
        email: account.email,
    });
    let admins = admins.collect();
    let template =
        AdminsPage { page, nav, admins, add_url: visit.url("/admin/admins/new"), email: email.to_owned(), notice };
    Ok(Page::personal(&template)?.status(status).into())
}
