//! The second step of a sign-in: a code of an authenticator app.

use askama::Template;
use qrcodegen::{QrCode, QrCodeEcc};
use rocket::http::Status;
use rocket::{get, post};
use souk_types::Error;

use super::{FormPage, Refused};
use crate::api::account::NewSecret;
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

const PATH: &str = "/account/totp";
const CONFIRM: &str = "/account/totp/confirm";
const OFF: &str = "/account/totp/off";

/// The page that shows a secret once, with the form that confirms it.
#[derive(Template)]
#[template(path = "account/totp-secret.html")]
struct SecretPage {
    page: Frame,
    secret: String,
    qr: Qr,
    code: Field,
    confirm_url: String,
}

/// A QR code as a path of an SVG image.
struct Qr {
    /// Modules on each side, with the quiet zone.
    size: i32,
    path: String,
}

/// The page that shows the recovery codes once.
#[derive(Template)]
#[template(path = "account/totp-codes.html")]
struct CodesPage {
    page: Frame,
    codes: Vec<String>,
    sign_in_url: String,
}

#[get("/account/totp")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let step = visit.api.profile(&token).await?.totp;
    let form = FormState::default();
    if step.active {
        let left = visit.text("totp-codes-left").arg("count", step.recovery_codes_left).to_string();
        off_page(&visit).await?.lead(left).answer(&form, off_fields(&visit, &form), None)
    } else {
        begin_page(&visit).await?.answer(&form, vec![password(&visit, &form)], None)
    }
}

#[post("/account/totp", data = "<form>")]
pub(super) async fn begin(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.begin_totp(&token, form.raw("current")).await {
        Ok(secret) => show_secret(&visit, secret).await,
        // Another tab was faster.
        Err(problem) if problem.code() == "totp-active" => Ok(Answer::SeeOther(visit.url(PATH))),
        Err(problem) => {
            let text = |code: &str| match code {
                "email-not-verified" => Some(Key("totp-not-verified")),
                "passkey-required" => Some(Key("passkey-required")),
                _ => None,
            };
            let refused = Refused::of(&visit, &mut state, problem, text)?;
            begin_page(&visit).await?.answer(&state, vec![password(&visit, &state)], Some(refused))
        }
    }
}

#[post("/account/totp/confirm", data = "<form>")]
pub(super) async fn confirm(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.confirm_totp(&token, state.value("code")).await {
        Ok(codes) => {
            // All sessions have ended, this one too.
            visit.session.sign_out();
            let mut page = visit.frame(visit.text("totp-codes-title").to_string()).await?;
            PATH.clone_into(&mut page.path);
            Ok(Page::personal(&CodesPage { page, codes, sign_in_url: visit.sign_in_url("/account") })?.into())
        }
        Err(problem) if problem.code() == "totp-not-begun" => Ok(Answer::SeeOther(visit.url(PATH))),
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, |_| None)?;
            let page = FormPage::new(&visit, Key("totp-title"), CONFIRM, Key("totp-confirm")).await?;
            let page = page.lead(visit.text("totp-again")).link(visit.url(PATH), visit.text("totp-new-secret"));
            page.answer(&state, vec![code(&visit, &state)], Some(refused))
        }
    }
}

#[post("/account/totp/off", data = "<form>")]
pub(super) async fn turn_off(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.turn_totp_off(&token, form.raw("current"), state.value("code")).await {
        Ok(()) => {
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url("/account/sign-in?done=totp-off")))
        }
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, |_| None)?;
            off_page(&visit).await?.answer(&state, off_fields(&visit, &state), Some(refused))
        }
    }
}

async fn show_secret(visit: &Visit<'_>, NewSecret { secret, uri }: NewSecret) -> PageResult {
    let mut page = visit.frame(visit.text("totp-title").to_string()).await?;
    PATH.clone_into(&mut page.path);
    let groups: Vec<&str> = secret.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
    let template = SecretPage {
        page,
        secret: groups.join(" "),
        qr: Qr::of(&uri)?,
        code: code(visit, &FormState::default()),
        confirm_url: visit.url(CONFIRM),
    };
    Ok(Page::personal(&template)?.status(Status::Ok).into())
}

impl Qr {
    /// Modules of white around the code, as scanners need them (ISO/IEC 18004).
    const QUIET_ZONE: i32 = 4;

    fn of(text: &str) -> Result<Self, PageError> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(Error::internal)?;
        let modules = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let path = modules
            .filter(|(x, y)| code.get_module(*x, *y))
            .map(|(x, y)| format!("M{} {}h1v1h-1z", x + Self::QUIET_ZONE, y + Self::QUIET_ZONE))
            .collect();
        Ok(Self { size: code.size() + 2 * Self::QUIET_ZONE, path })
    }
}

async fn begin_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("totp-title"), PATH, Key("totp-begin")).await?;
    Ok(page.lead(visit.text("totp-lead")))
}

async fn off_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("totp-title"), OFF, Key("totp-turn-off")).await?;
    Ok(FormPage { is_dangerous: true, ..page })
}

fn password(visit: &Visit<'_>, form: &FormState) -> Field {
    Field::password(form, "current", visit.text("account-current-password"), "current-password")
}

fn code(visit: &Visit<'_>, form: &FormState) -> Field {
    Field::new(form, "code", visit.text("totp-code")).short(Kind::Text, 40).autocomplete("one-time-code")
}

fn off_fields(visit: &Visit<'_>, form: &FormState) -> Vec<Field> {
    vec![password(visit, form), code(visit, form).hint(visit.text("totp-code-or-recovery"))]
}
