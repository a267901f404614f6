//! What mails lead to: a new password, and the verification of the e-mail address. The code of a
//! mail is in the fragment of its link, which no server sees; a script copies it into the form.
//! Without a script, the visitor types it.

use rocket::{get, post};

use super::{FormPage, Refused};
use crate::fields::{Field, FormState};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

#[get("/reset-password")]
pub(super) fn reset_from_mail(visit: Visit<'_>) -> Answer {
    // The browser keeps the fragment (RFC 9110, section 10.2.2).
    Answer::SeeOther(visit.url("/account/reset-password"))
}

#[get("/verify")]
pub(super) fn verify_from_mail(visit: Visit<'_>) -> Answer {
    Answer::SeeOther(visit.url("/account/verify"))
}

#[get("/account/forgot-password?<sent>")]
pub(super) async fn show_forgotten(visit: Visit<'_>, sent: Option<&str>) -> PageResult {
    let form = FormState::default();
    let mut page = forgotten_page(&visit).await?;
    if sent.is_some() {
        page = page.success(visit.text("forgot-sent"));
    }
    page.answer(&form, vec![Field::email(&form, visit.text("account-email"))], None)
}

#[post("/account/forgot-password", data = "<form>")]
pub(super) async fn forget(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    match visit.api.forget_password(state.value("email")).await {
        Ok(()) => Ok(Answer::SeeOther(visit.url("/account/forgot-password?sent=true"))),
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, |_| None)?;
            let fields = vec![Field::email(&state, visit.text("account-email"))];
            forgotten_page(&visit).await?.answer(&state, fields, Some(refused))
        }
    }
}

#[get("/account/reset-password")]
pub(super) async fn show_reset(visit: Visit<'_>) -> PageResult {
    let form = FormState::default();
    reset_page(&visit).await?.answer(&form, reset_fields(&visit, &form), None)
}

#[post("/account/reset-password", data = "<form>")]
pub(super) async fn reset(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    match visit.api.reset_password(state.value("token"), form.raw("new")).await {
        Ok(()) => {
            // All sessions have ended, also one of this browser.
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url("/account/sign-in?done=password")))
        }
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, token_key)?;
            reset_page(&visit).await?.answer(&state, reset_fields(&visit, &state), Some(refused))
        }
    }
}

#[get("/account/verify")]
pub(super) async fn show_verify(visit: Visit<'_>) -> PageResult {
    let form = FormState::default();
    verify_page(&visit).await?.answer(&form, vec![token_field(&visit, &form)], None)
}

#[post("/account/verify", data = "<form>")]
pub(super) async fn verify(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    match visit.api.verify(state.value("token")).await {
        Ok(()) if visit.session.is_signed_in() => {
            // The next token says that the address is verified.
            visit.session.drop_access_token();
            Ok(Answer::SeeOther(visit.url("/account?done=verified")))
        }
        Ok(()) => Ok(Answer::SeeOther(visit.url("/account/sign-in?done=verified"))),
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, token_key)?;
            let fields = vec![token_field(&visit, &state)];
            verify_page(&visit).await?.answer(&state, fields, Some(refused))
        }
    }
}

#[post("/account/verify/resend", data = "<_form>")]
pub(super) async fn resend(visit: Visit<'_>, _form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let done = match visit.api.resend_verification(&token).await {
        Ok(()) => "mail",
        Err(problem) if problem.code() == "email-verified" => "verified",
        Err(problem) if problem.code() == "too-many-mails" => "too-many-mails",
        Err(problem) => return Err(problem.into()),
    };
    Ok(Answer::SeeOther(visit.url(&format!("/account?done={done}"))))
}

async fn forgotten_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("forgot-title"), "/account/forgot-password", Key("forgot-submit")).await?;
    Ok(page.lead(visit.text("forgot-lead")).link(visit.url("/account/sign-in"), visit.text("forgot-sign-in")))
}

async fn reset_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("reset-title"), "/account/reset-password", Key("reset-submit")).await?;
    Ok(page
        .lead(visit.text("reset-lead"))
        .link(visit.url("/account/forgot-password"), visit.text("reset-another-mail")))
}

fn reset_fields(visit: &Visit<'_>, form: &FormState) -> Vec<Field> {
    let new = Field::password(form, "new", visit.text("account-new-password"), "new-password");
    vec![token_field(visit, form), new.hint(visit.text("account-password-hint"))]
}

async fn verify_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("verify-title"), "/account/verify", Key("verify-submit")).await?;
    Ok(FormPage { is_automatic: true, ..page }
        .lead(visit.text("verify-lead"))
        .link(visit.url("/account"), visit.text("verify-account")))
}

fn token_field(visit: &Visit<'_>, form: &FormState) -> Field {
    let field = Field::new(form, "token", visit.text("account-token")).autocomplete("one-time-code");
    Field { max: 500, ..field }.hint(visit.text("account-token-hint"))
}

fn token_key(code: &str) -> Option<Key> {
    match code {
        "token-expired" => Some(Key("token-expired")),
        "token-used" => Some(Key("token-used")),
        _ => None,
    }
}
