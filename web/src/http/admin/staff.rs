//! The staff: their list, and forms to give and to take a role.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use souk_contract::customer::CustomerId;
use souk_contract::role::{Permission, Role};
use souk_http::Param;

use super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::api::staff::StaffAccount;
use crate::fields::{Field, FieldMessage, FormState, Kind};
use crate::form::Form;
use crate::locale::{Key, Language};
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/staff";

pub(super) fn routes() -> Vec<Route> {
    routes![list, give_role, remove]
}

#[derive(Template)]
#[template(path = "admin/staff.html")]
struct StaffPage {
    page: Frame,
    nav: Nav,
    rows: Vec<Row>,
    give_url: String,
    roles: Vec<RoleOption>,
    role_error: Option<String>,
    email: Field,
    errors: Vec<FieldMessage>,
    /// What has happened: `(class, text)`.
    notice: Option<(&'static str, Key)>,
}

struct Row {
    email: String,
    role: String,
    since: String,
    /// What the account signs in with.
    sign_in: String,
    /// `None` for the admin who looks.
    remove_url: Option<String>,
}

struct RoleOption {
    value: &'static str,
    name: String,
    /// What the role may do.
    meaning: String,
    is_selected: bool,
}

#[get("/admin/staff?<done>")]
async fn list(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageStaff).await?;
    let done = match done {
        Some("given") => Some(("success", Key("staff-given"))),
        Some("removed") => Some(("success", Key("staff-removed"))),
        _ => None,
    };
    page(&visit, &admin, &FormState::default(), done, Status::Ok).await
}

#[post("/admin/staff/new", data = "<form>")]
async fn give_role(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageStaff).await?;
    match visit.api.give_role(&admin.token, form.get("email"), form.get("role")).await {
        Ok(()) => Ok(Answer::SeeOther(format!("{}?done=given", visit.url(LIST)))),
        Err(problem) => refuse(&visit, &admin, FormState::of(&form), problem).await,
    }
}

#[post("/admin/staff/<id>/remove", data = "<_form>")]
async fn remove(visit: Visit<'_>, id: Param<CustomerId>, _form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageStaff).await?;
    match visit.api.remove_role(&admin.token, id.0).await {
        Ok(()) => Ok(Answer::SeeOther(format!("{}?done=removed", visit.url(LIST)))),
        // Another admin was faster.
        Err(problem) if problem.status() == 404 => Ok(Answer::SeeOther(format!("{}?done=removed", visit.url(LIST)))),
        Err(problem) => refuse(&visit, &admin, FormState::default(), problem).await,
    }
}

/// Shows the page with the reason of a refusal. Errors: any other problem.
async fn refuse(visit: &Visit<'_>, admin: &Admin, mut state: FormState, problem: Problem) -> PageResult {
    let text = match (problem.status(), problem.code()) {
        (404, _) => Key("staff-unknown"),
        (409, "email-not-verified") => Key("staff-not-verified"),
        (409, "own-role") => Key("staff-own-role"),
        (409, _) => Key("staff-full"),
        (422, _) => {
            if let Problem::Refused(refusal) = &problem {
                for refused in &refusal.fields {
                    let message =
                        if refused.field == "role" { Key("staff-role-missing") } else { Key("field-email-invalid") };
                    state.refuse(&refused.field, visit.text(message).to_string());
                }
            }
            return page(visit, admin, &state, None, Status::UnprocessableEntity).await;
        }
        _ => return Err(problem.into()),
    };
    page(visit, admin, &state, Some(("error", text)), Status::new(problem.status())).await
}

async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    state: &FormState,
    notice: Option<(&'static str, Key)>,
    status: Status,
) -> PageResult {
    let title = visit.text("admin-nav-staff").to_string();
    let (frame, staff) = tokio::join!(admin.frame(visit, Section::Staff, title), visit.api.staff(&admin.token));
    let (mut page, nav) = frame?;
    // A refused form has a URL of its own, which no other language has.
    (page.path, page.query) = (LIST.to_owned(), String::new());
    let remove_url = |id: CustomerId| visit.url(&format!("{LIST}/{id}/remove"));
    let row = staff?.into_iter().map(|account| Row {
        role: role_name(visit.language, account.role),
        since: visit.language.date(account.created_at),
        sign_in: sign_in_ways(visit.language, &account),
        remove_url: (account.id != admin.id).then(|| remove_url(account.id)),
        email: account.email,
    });
    let rows = row.collect();
    let roles = Role::STAFF.map(|known| RoleOption {
        value: known.as_str(),
        name: role_name(visit.language, known),
        meaning: meaning(visit.language, known),
        is_selected: known.as_str() == state.value("role"),
    });
    let template = StaffPage {
        page,
        nav,
        rows,
        give_url: visit.url("/admin/staff/new"),
        roles: roles.into(),
        role_error: state.error("role").map(ToOwned::to_owned),
        email: Field::email(state, visit.text("account-email")).autocomplete("off"),
        errors: state.errors().to_vec(),
        notice,
    };
    Ok(Page::personal(&template)?.status(status).into())
}

/// Names what an account signs in with. The password always works, and needs a code if the account
/// has one.
fn sign_in_ways(language: Language, account: &StaffAccount) -> String {
    let password = match (account.totp_active, account.passkeys) {
        (true, _) => Key("staff-sign-in-code"),
        (false, 0) => Key("staff-sign-in-password-only"),
        (false, _) => Key("staff-sign-in-password"),
    };
    let password = language.text(password).to_string();
    if account.passkeys == 0 {
        return password;
    }
    format!("{password}; {}", language.text(Key("staff-sign-in-passkeys")).arg("count", account.passkeys))
}

fn role_name(language: Language, role: Role) -> String {
    let key = match role {
        Role::Customer => Key("role-customer"),
        Role::Support => Key("role-support"),
        Role::Orders => Key("role-orders"),
        Role::Catalogue => Key("role-catalogue"),
        Role::Admin => Key("role-admin"),
    };
    language.text(key).to_string()
}

fn meaning(language: Language, role: Role) -> String {
    let key = match role {
        Role::Customer => return String::new(),
        Role::Support => Key("role-support-may"),
        Role::Orders => Key("role-orders-may"),
        Role::Catalogue => Key("role-catalogue-may"),
        Role::Admin => Key("role-admin-may"),
    };
    language.text(key).to_string()
}
