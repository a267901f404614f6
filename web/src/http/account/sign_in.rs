//! Sign-in, sign-up and sign-out. The cart of the guest moves into the cart of the customer.

use rocket::http::Status;
use rocket::{get, post};

use super::{FormPage, Refused};
use crate::api::session::SignIn;
use crate::api::{Problem, Token};
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::links::{encode, local};
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// What the second page of a sign-in asks for.
const APP_CODE: &str = "app-code";
const RECOVERY_CODE: &str = "recovery-code";
/// Characters of a code as people type it, as `customer` limits it.
const LONGEST_CODE: usize = 40;

#[get("/account/sign-in?<next>&<done>")]
pub(super) async fn show(visit: Visit<'_>, next: Option<&str>, done: Option<&str>) -> PageResult {
    if let Some(answer) = signed_in(&visit, next).await? {
        return Ok(answer);
    }
    let form = FormState::default();
    let mut page = sign_in_page(&visit, next.unwrap_or_default()).await?;
    page.notice = done.and_then(done_key).map(|key| ("success", visit.text(key).to_string()));
    page.answer(&form, sign_in_fields(&visit, &form, false), None)
}

#[post("/account/sign-in", data = "<form>")]
pub(super) async fn sign_in(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    if state.has("challenge") {
        return enter_code(&visit, state).await;
    }
    for (name, message) in [("email", Key("field-email-invalid")), ("password", Key("field-password-required"))] {
        if form.raw(name).is_empty() {
            state.refuse(name, visit.text(message).to_string());
        }
    }
    let asks_code = state.has("code");
    if !state.errors().is_empty() {
        let page = sign_in_page(&visit, form.get("next")).await?;
        let refused = Refused { status: Status::UnprocessableEntity, text: None };
        return page.answer(&state, sign_in_fields(&visit, &state, asks_code), Some(refused));
    }
    let problem = match visit.api.sign_in(state.value("email"), form.raw("password"), state.optional("code")).await {
        Ok(sign_in) => return begin(&visit, &sign_in, form.get("next")).await,
        Err(problem) => problem,
    };
    // An earlier `customer` in a rolling update makes no challenge: its form asks for all at once.
    if let Some(challenge) = problem.member("challenge") {
        state.set("challenge", challenge);
        return code_page(&visit, &state, None).await;
    }
    let is_code_missing = problem.code() == "code-required";
    let wrong = |code: &str| match code {
        // An address that cannot exist is no other answer than an unknown one.
        "unauthenticated" | "validation" if asks_code => Some(Key("sign-in-wrong-code")),
        "unauthenticated" | "validation" => Some(Key("sign-in-wrong")),
        "code-required" => Some(Key("sign-in-code-required")),
        "account-locked" => Some(Key("sign-in-locked")),
        _ => None,
    };
    let refused = Refused::of(&visit, &mut state, problem, wrong)?;
    let page = sign_in_page(&visit, form.get("next")).await?;
    page.answer(&state, sign_in_fields(&visit, &state, asks_code || is_code_missing), Some(refused))
}

/// Takes the form that asks for the code only, with the challenge in place of the password.
async fn enter_code(visit: &Visit<'_>, mut state: FormState) -> PageResult {
    if let Some(asked) = state.optional("switch").map(ToOwned::to_owned) {
        state.set("asked", asked);
        state.set("code", "");
        return code_page(visit, &state, None).await;
    }
    let Some(code) = state.optional("code") else {
        let is_recovery = asks_recovery_code(&state);
        let missing = if is_recovery { Key("sign-in-recovery-required") } else { Key("field-code-invalid") };
        state.refuse("code", visit.text(missing).to_string());
        let refused = Refused { status: Status::UnprocessableEntity, text: None };
        return code_page(visit, &state, Some(refused)).await;
    };
    let problem = match visit.api.sign_in_with_code(state.value("challenge"), code).await {
        Ok(sign_in) => return begin(visit, &sign_in, state.value("next")).await,
        Err(problem) => problem,
    };
    // A challenge that was changed on the way, or one that an earlier `customer` does not know.
    if problem.code() == "challenge-expired" || problem.refuses("challenge") {
        let text = Some(visit.text(Key("sign-in-challenge-expired")).to_string());
        let refused = Refused { status: Status::Conflict, text };
        let page = sign_in_page(visit, state.value("next")).await?;
        return page.answer(&state, sign_in_fields(visit, &state, false), Some(refused));
    }
    if problem.is_unauthenticated() {
        state.refuse("code", visit.text(Key("sign-in-code-wrong")).to_string());
        let refused = Refused { status: Status::Unauthorized, text: None };
        return code_page(visit, &state, Some(refused)).await;
    }
    let text = |code: &str| (code == "account-locked").then_some(Key("sign-in-locked"));
    let refused = Refused::of(visit, &mut state, problem, text)?;
    code_page(visit, &state, Some(refused)).await
}

#[get("/account/sign-up?<next>")]
pub(super) async fn show_sign_up(visit: Visit<'_>, next: Option<&str>) -> PageResult {
    if let Some(answer) = signed_in(&visit, next).await? {
        return Ok(answer);
    }
    let form = FormState::default();
    let page = sign_up_page(&visit, next.unwrap_or_default()).await?;
    page.answer(&form, sign_up_fields(&visit, &form), None)
}

#[post("/account/sign-up", data = "<form>")]
pub(super) async fn sign_up(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    let problem = match visit.api.sign_up(state.value("email"), form.raw("password")).await {
        Ok(sign_in) => return begin(&visit, &sign_in, form.get("next")).await,
        Err(problem) => problem,
    };
    let taken = |code: &str| (code == "email-taken").then_some(Key("sign-up-taken"));
    let refused = Refused::of(&visit, &mut state, problem, taken)?;
    let page = sign_up_page(&visit, form.get("next")).await?;
    page.answer(&state, sign_up_fields(&visit, &state), Some(refused))
}

#[post("/account/sign-out", data = "<_form>")]
pub(super) async fn sign_out(visit: Visit<'_>, _form: Form) -> PageResult {
    if let Some(token) = visit.session.refresh_token() {
        // The cookies are deleted in any case.
        if let Err(problem) = visit.api.sign_out(&token).await {
            tracing::warn!(%problem, "a session was not ended at a sign-out");
        }
    }
    visit.session.sign_out();
    Ok(Answer::SeeOther(visit.url("/account/sign-in?done=signed-out")))
}

#[post("/account/sign-out-everywhere", data = "<_form>")]
pub(super) async fn sign_out_everywhere(visit: Visit<'_>, _form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    visit.api.end_sessions(&token).await?;
    visit.session.sign_out();
    Ok(Answer::SeeOther(visit.url("/account/sign-in?done=signed-out-everywhere")))
}

/// Begins the session and moves the guest's cart into the customer's. Leads to `next` if that is a
/// page of this shop, else to the account.
pub(super) async fn begin(visit: &Visit<'_>, sign_in: &SignIn, next: &str) -> PageResult {
    visit.session.sign_in(sign_in);
    let token = Token(sign_in.token.clone());
    let is_whole = merge_guest_cart(visit, &token).await;
    if !is_whole {
        return Ok(Answer::SeeOther(visit.url("/cart?problem=conflict")));
    }
    let next = local(next).map_or_else(|| visit.url("/account"), ToOwned::to_owned);
    Ok(Answer::SeeOther(next))
}

/// Shows the sign-in page again, with the reason why a passkey was refused.
pub(super) async fn refuse(visit: &Visit<'_>, next: &str, refused: Refused) -> PageResult {
    let (form, mut page) = (FormState::default(), sign_in_page(visit, next).await?);
    "/account/sign-in".clone_into(&mut page.page.path);
    page.answer(&form, sign_in_fields(visit, &form, false), Some(refused))
}

/// Begins a new session after a change that has ended all sessions.
pub(super) async fn begin_again(visit: &Visit<'_>, email: &str, password: &str, done: &str) -> PageResult {
    // An account with a second step signs in by itself.
    match visit.api.sign_in(email, password, None).await {
        Ok(sign_in) => {
            visit.session.sign_in(&sign_in);
            Ok(Answer::SeeOther(visit.url(&format!("/account?done={done}"))))
        }
        // The change was made; only this sign-in was not.
        Err(problem) => {
            tracing::warn!(%problem, "a customer must sign in again after a change");
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url(&format!("/account/sign-in?done={done}"))))
        }
    }
}

/// Moves the guest's cart into the customer's. Returns whether all of it has found a place. While
/// `shopping` is down, the guest token stays, and the next sign-in tries again.
async fn merge_guest_cart(visit: &Visit<'_>, customer: &Token) -> bool {
    let Some(guest) = visit.session.guest_token() else {
        match visit.api.cart(customer).await {
            Ok(cart) => visit.session.set_cart_count(cart.pieces()),
            Err(problem) => tracing::warn!(%problem, "the cart cannot be counted at a sign-in"),
        }
        return true;
    };
    match visit.api.merge_cart(customer, &guest).await {
        Ok(merged) => {
            visit.session.drop_guest();
            visit.session.set_cart_count(merged.cart.pieces());
            merged.left_out.is_empty()
        }
        Err(problem) => {
            tracing::info!(%problem, "the cart of a guest cannot be moved");
            if matches!(problem, Problem::Refused(_)) {
                visit.session.drop_guest();
            }
            true
        }
    }
}

/// Leads a customer who has signed in already away from the forms.
async fn signed_in(visit: &Visit<'_>, next: Option<&str>) -> Result<Option<Answer>, PageError> {
    let token = visit.session.access_token(visit.api).await?;
    let next = next.and_then(local).map_or_else(|| visit.url("/account"), ToOwned::to_owned);
    Ok(token.map(|_| Answer::SeeOther(next)))
}

async fn sign_in_page(visit: &Visit<'_>, next: &str) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("sign-in-title"), "/account/sign-in", Key("sign-in-submit")).await?;
    let sign_up = visit.url(&format!("/account/sign-up?next={}", encode(next)));
    let passkey_url = Some(visit.url("/account/sign-in/passkey"));
    Ok(FormPage { hidden: vec![("next", next.to_owned())], passkey_url, ..page }
        .link(sign_up, visit.text("sign-in-sign-up"))
        .link(visit.url("/account/forgot-password"), visit.text("sign-in-forgot")))
}

/// Whether the form asks for a recovery code. On a phone, the field for the code of the app has a
/// keypad without letters, so the two have a page each.
fn asks_recovery_code(state: &FormState) -> bool {
    state.value("asked") == RECOVERY_CODE
}

/// Shows the page that asks for the code only. It carries the challenge in its form, not in its
/// address, which would be in logs and in the history of the browser.
async fn code_page(visit: &Visit<'_>, state: &FormState, refused: Option<Refused>) -> PageResult {
    let is_recovery = asks_recovery_code(state);
    let (title, switch, to) = if is_recovery {
        (Key("sign-in-recovery-title"), APP_CODE, Key("sign-in-use-app"))
    } else {
        (Key("sign-in-code-title"), RECOVERY_CODE, Key("sign-in-use-recovery"))
    };
    let page = FormPage::new(visit, title, "/account/sign-in", Key("sign-in-submit")).await?;
    let hidden = ["next", "email", "challenge", "asked"].map(|name| (name, state.value(name).to_owned())).to_vec();
    let page = FormPage { hidden, switch: Some((switch, visit.text(to).to_string())), ..page }
        .lead(visit.text("sign-in-as").arg("email", state.value("email")))
        .link(visit.sign_in_url(state.value("next")), visit.text("sign-in-start-again"));
    let mut code = if is_recovery {
        let code = Field::new(state, "code", visit.text("sign-in-recovery-code")).up_to(LONGEST_CODE);
        code.autocomplete("off").hint(visit.text("sign-in-recovery-hint"))
    } else {
        let code = Field::new(state, "code", visit.text("totp-code")).up_to(LONGEST_CODE);
        let code = code.autocomplete("one-time-code").hint(visit.text("totp-enter"));
        Field { kind: Kind::Digits, ..code }
    };
    // Unless the list of errors or a notice has it.
    code.has_focus = refused.is_none();
    page.answer(state, vec![code], refused)
}

async fn sign_up_page(visit: &Visit<'_>, next: &str) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("sign-up-title"), "/account/sign-up", Key("sign-up-submit")).await?;
    Ok(FormPage { hidden: vec![("next", next.to_owned())], ..page }
        .lead(visit.text("sign-up-lead"))
        .link(visit.sign_in_url(next), visit.text("sign-up-sign-in"))
        .link(visit.url("/legal/privacy"), visit.text("legal-privacy")))
}

/// Returns the fields of the form. Once a code was asked for, its field stays, and the first empty
/// field has the focus, unless the list of errors has it.
fn sign_in_fields(visit: &Visit<'_>, form: &FormState, asks_code: bool) -> Vec<Field> {
    let email = Field::email(form, visit.text("account-email")).autocomplete("username");
    let password = Field::password(form, "password", visit.text("account-password"), "current-password");
    if !asks_code {
        return vec![email, password];
    }
    let code = Field::new(form, "code", visit.text("totp-code")).short(Kind::Text, LONGEST_CODE);
    let code = code.autocomplete("one-time-code").hint(visit.text("totp-code-or-recovery"));
    let mut fields = vec![email, password, code];
    if form.errors().is_empty()
        && let Some(empty) = fields.iter_mut().find(|field| field.value.is_empty())
    {
        empty.has_focus = true;
    }
    fields
}

fn sign_up_fields(visit: &Visit<'_>, form: &FormState) -> Vec<Field> {
    let email = Field::email(form, visit.text("account-email")).autocomplete("username");
    let password = Field::password(form, "password", visit.text("account-password"), "new-password");
    vec![email, password.hint(visit.text("account-password-hint"))]
}

fn done_key(done: &str) -> Option<Key> {
    match done {
        "signed-out" => Some(Key("done-signed-out")),
        "signed-out-everywhere" => Some(Key("done-signed-out-everywhere")),
        "password" => Some(Key("done-password")),
        "email" => Some(Key("done-email")),
        "verified" => Some(Key("done-verified")),
        "deleted" => Some(Key("done-deleted")),
        "totp-off" => Some(Key("done-totp-off")),
        "passkey-removed" => Some(Key("done-passkey-removed")),
        _ => None,
    }
}
