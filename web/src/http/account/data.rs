//! The rights to personal data: a copy of it, and its erasure.

use std::io::Cursor;

use rocket::http::{ContentType, Header};
use rocket::response::{self, Responder, Response};
use rocket::{Request, get, post};

use super::{FormPage, Refused};
use crate::fields::{Field, FormState};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// The personal data of a customer, as a file that the browser saves.
pub(super) struct Download(String);

impl<'r> Responder<'r, 'static> for Download {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let name = Header::new("Content-Disposition", "attachment; filename=\"personal-data.json\"");
        Response::build().header(ContentType::JSON).header(name).sized_body(self.0.len(), Cursor::new(self.0)).ok()
    }
}

#[get("/account/export")]
pub(super) async fn export(visit: Visit<'_>) -> Result<Download, PageError> {
    let token = visit.require_customer().await?;
    Ok(Download(visit.api.export(&token).await?.body))
}

#[get("/account/delete")]
pub(super) async fn show_delete(visit: Visit<'_>) -> PageResult {
    visit.require_customer().await?;
    let form = FormState::default();
    delete_page(&visit).await?.answer(&form, vec![password(&visit, &form)], None)
}

#[post("/account/delete", data = "<form>")]
pub(super) async fn delete(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.delete_account(&token, form.raw("current")).await {
        Ok(()) => {
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url("/account/sign-in?done=deleted")))
        }
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, |_| None)?;
            delete_page(&visit).await?.answer(&state, vec![password(&visit, &state)], Some(refused))
        }
    }
}

async fn delete_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("delete-title"), "/account/delete", Key("delete-submit")).await?;
    Ok(FormPage { is_dangerous: true, ..page }
        .lead(visit.text("delete-lead"))
        .link(visit.url("/account/export"), visit.text("account-export"))
        .link(visit.url("/account"), visit.text("verify-account")))
}

fn password(visit: &Visit<'_>, form: &FormState) -> Field {
    Field::password(form, "current", visit.text("account-current-password"), "current-password")
}
