//! E-mail address, password and telephone number. A change of the first two ends all sessions; the
//! page opens a new one for this browser.

use rocket::{get, post};

use super::sign_in::begin_again;
use super::{FormPage, Refused, asks_code, code_required, fresh_proof, proof_fields};
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

#[get("/account/email")]
pub(super) async fn show_email(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let (form, asks_code) = (FormState::default(), visit.api.profile(&token).await?.totp.active);
    email_page(&visit).await?.answer(&form, email_fields(&visit, &form, asks_code), None)
}

#[post("/account/email", data = "<form>")]
pub(super) async fn change_email(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.change_email(&token, state.value("email"), fresh_proof(&form, &state)).await {
        Ok(()) => begin_again(&visit, state.value("email"), form.raw("current"), "email").await,
        Err(problem) => {
            let reason = |code: &str| match code {
                "email-taken" => Some(Key("email-taken")),
                "last-admin" => Some(Key("account-last-admin")),
                _ => code_required(code),
            };
            let asks_code = asks_code(&state, &problem);
            let refused = Refused::of(&visit, &mut state, problem, reason)?;
            email_page(&visit).await?.answer(&state, email_fields(&visit, &state, asks_code), Some(refused))
        }
    }
}

#[get("/account/password")]
pub(super) async fn show_password(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let (form, asks_code) = (FormState::default(), visit.api.profile(&token).await?.totp.active);
    password_page(&visit).await?.answer(&form, password_fields(&visit, &form, asks_code), None)
}

#[post("/account/password", data = "<form>")]
pub(super) async fn change_password(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let email = visit.api.profile(&token).await?.email;
    let mut state = FormState::of(&form);
    match visit.api.change_password(&token, form.raw("new"), fresh_proof(&form, &state)).await {
        Ok(()) => begin_again(&visit, &email, form.raw("new"), "password").await,
        Err(problem) => {
            let asks_code = asks_code(&state, &problem);
            let refused = Refused::of(&visit, &mut state, problem, code_required)?;
            password_page(&visit).await?.answer(&state, password_fields(&visit, &state, asks_code), Some(refused))
        }
    }
}

#[get("/account/phone")]
pub(super) async fn show_phone(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let mut form = FormState::default();
    form.set("phone", visit.api.profile(&token).await?.phone.unwrap_or_default());
    phone_page(&visit).await?.answer(&form, vec![phone_field(&visit, &form)], None)
}

#[post("/account/phone", data = "<form>")]
pub(super) async fn change_phone(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.change_phone(&token, state.optional("phone")).await {
        Ok(()) => Ok(Answer::SeeOther(visit.url("/account?done=phone"))),
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, |_| None)?;
            phone_page(&visit).await?.answer(&state, vec![phone_field(&visit, &state)], Some(refused))
        }
    }
}

async fn email_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("email-title"), "/account/email", Key("email-submit")).await?;
    Ok(back(visit, page.lead(visit.text("email-lead"))))
}

fn email_fields(visit: &Visit<'_>, form: &FormState, asks_code: bool) -> Vec<Field> {
    let mut fields = vec![Field::email(form, visit.text("email-new")).autocomplete("email")];
    fields.extend(proof_fields(visit, form, asks_code));
    fields
}

async fn password_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("password-title"), "/account/password", Key("password-submit")).await?;
    Ok(back(visit, page.lead(visit.text("password-lead"))))
}

fn password_fields(visit: &Visit<'_>, form: &FormState, asks_code: bool) -> Vec<Field> {
    let mut fields = proof_fields(visit, form, asks_code);
    let new = Field::password(form, "new", visit.text("account-new-password"), "new-password");
    fields.push(new.hint(visit.text("account-password-hint")));
    fields
}

async fn phone_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("phone-title"), "/account/phone", Key("phone-submit")).await?;
    Ok(back(visit, page))
}

fn phone_field(visit: &Visit<'_>, form: &FormState) -> Field {
    let field = Field::new(form, "phone", visit.text("address-phone")).autocomplete("tel");
    Field { kind: Kind::Phone, is_required: false, max: 30, ..field }.hint(visit.text("phone-hint"))
}

fn back(visit: &Visit<'_>, page: FormPage) -> FormPage {
    page.link(visit.url("/account"), visit.text("verify-account"))
}
