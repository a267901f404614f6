//! The right to the erasure of personal data. The page links to the export.

use rocket::{get, post};

use super::{FormPage, Refused, asks_code, code_required, fresh_proof, proof_fields};
use crate::fields::FormState;
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

#[get("/account/delete")]
pub(super) async fn show_delete(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let (form, asks_code) = (FormState::default(), visit.api.profile(&token).await?.totp.active);
    delete_page(&visit).await?.answer(&form, proof_fields(&visit, &form, asks_code), None)
}

#[post("/account/delete", data = "<form>")]
pub(super) async fn delete(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.delete_account(&token, fresh_proof(&form, &state)).await {
        Ok(()) => {
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url("/account/sign-in?done=deleted")))
        }
        Err(problem) => {
            let reason = |code: &str| match code {
                "last-admin" => Some(Key("account-last-admin")),
                _ => code_required(code),
            };
            let asks_code = asks_code(&state, &problem);
            let refused = Refused::of(&visit, &mut state, problem, reason)?;
            delete_page(&visit).await?.answer(&state, proof_fields(&visit, &state, asks_code), Some(refused))
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
