//! The right to the erasure of personal data. The page links to the export.

use rocket::{get, post};

use super::{FormPage, Refused};
use crate::fields::{Field, FormState};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

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
            let last_admin = |code: &str| (code == "last-admin").then_some(Key("account-last-admin"));
            let refused = Refused::of(&visit, &mut state, problem, last_admin)?;
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
