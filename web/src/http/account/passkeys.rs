//! Passkeys: the list, adding and removing one, and sign-in with one. A script of the page asks the
//! device, and sends its answer with the form.

use askama::Template;
use rocket::{get, post};
use serde_json::Value;
use souk_contract::customer::{MAX_PASSKEY_NAME, MAX_PASSKEYS};
use souk_types::Timestamp;

use super::sessions::device;
use super::{FormPage, Refused, asks_code, code_required, fresh_proof, proof_fields, sign_in};
use crate::api::passkeys::Passkey;
use crate::fields::{Field, FieldMessage, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

const PATH: &str = "/account/passkeys";
const NEW: &str = "/account/passkeys/new";

#[derive(Template)]
#[template(path = "account/passkeys.html")]
struct PasskeysPage {
    page: Frame,
    passkeys: Vec<Row>,
    can_add: bool,
    /// Whether a passkey was added before.
    was_added: bool,
}

struct Row {
    id: String,
    name: String,
    created: Option<String>,
    last_used: Option<String>,
}

/// The page on which the script asks the device.
#[derive(Template)]
#[template(path = "account/passkey.html")]
struct DevicePage {
    page: Frame,
    ceremony: Ceremony,
    lead: String,
    errors: Vec<FieldMessage>,
    action: String,
    /// What the browser needs, as JSON.
    options: String,
    fields: Vec<Field>,
    submit: String,
    next: String,
    /// The answer of the device, when only the rest of the form was wrong.
    credential: String,
    /// URL and text of the way back.
    back: (String, String),
}

/// What the script asks the device for.
#[derive(Clone, Copy)]
enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
        }
    }
}

#[get("/account/passkeys?<done>")]
pub(super) async fn list(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let token = visit.require_customer().await?;
    let (frame, passkeys) =
        tokio::join!(visit.frame(visit.text("passkeys-title").to_string()), visit.api.passkeys(&token));
    let moment = |moment: Option<Timestamp>| moment.map(|moment| visit.language.date(moment));
    let row = |passkey: Passkey| Row {
        created: moment(passkey.created_at),
        last_used: moment(passkey.last_used_at),
        id: passkey.id,
        name: passkey.name,
    };
    let passkeys: Vec<Row> = passkeys?.into_iter().map(row).collect();
    let can_add = passkeys.len() < MAX_PASSKEYS;
    Ok(Page::personal(&PasskeysPage { page: frame?, passkeys, can_add, was_added: done.is_some() })?.into())
}

#[get("/account/passkeys/new")]
pub(super) async fn show_new(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let (form, asks_code) = (FormState::default(), visit.api.profile(&token).await?.totp.active);
    new_page(&visit).await?.answer(&form, proof_fields(&visit, &form, asks_code), None)
}

#[post("/account/passkeys/new", data = "<form>")]
pub(super) async fn begin(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    let creation = match visit.api.begin_passkey(&token, fresh_proof(&form, &state)).await {
        Ok(creation) => creation,
        Err(problem) => {
            let asks_code = asks_code(&state, &problem);
            let refused = Refused::of(&visit, &mut state, problem, refusal)?;
            let fields = proof_fields(&visit, &state, asks_code);
            return new_page(&visit).await?.answer(&state, fields, Some(refused));
        }
    };
    state.set("name", device(&visit, &creation.device));
    let page = DevicePage { options: creation.options.to_string(), ..naming_page(&visit, &state).await? };
    Ok(Page::personal(&page)?.into())
}

#[post("/account/passkeys", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    let Some(credential) = credential(&form) else { return Ok(Answer::SeeOther(visit.url(NEW))) };
    let Err(problem) = visit.api.add_passkey(&token, state.value("name"), &credential).await else {
        return Ok(Answer::SeeOther(visit.url(&format!("{PATH}?done=added"))));
    };
    let refused = Refused::of(&visit, &mut state, problem, refusal)?;
    if state.error("name").is_some() {
        state.retain_errors(|_, _| false);
        state.refuse("name", visit.text("passkey-name-invalid").to_string());
        let page = naming_page(&visit, &state).await?;
        return Ok(Page::personal(&page)?.status(refused.status).into());
    }
    let (form, asks_code) = (FormState::default(), visit.api.profile(&token).await?.totp.active);
    let text = refused.text.unwrap_or_else(|| visit.text("passkey-again").to_string());
    let refused = Refused { text: Some(text), ..refused };
    new_page(&visit).await?.answer(&form, proof_fields(&visit, &form, asks_code), Some(refused))
}

#[get("/account/passkeys/<id>/remove")]
pub(super) async fn show_remove(visit: Visit<'_>, id: &str) -> PageResult {
    let form = FormState::default();
    remove_page(&visit, id).await?.answer(&form, vec![password(&visit, &form)], None)
}

#[post("/account/passkeys/<id>/remove", data = "<form>")]
pub(super) async fn remove(visit: Visit<'_>, id: &str, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(&form);
    match visit.api.remove_passkey(&token, id, form.raw("current")).await {
        Ok(()) => {
            // All sessions have ended, this one too.
            visit.session.sign_out();
            Ok(Answer::SeeOther(visit.url("/account/sign-in?done=passkey-removed")))
        }
        // Another tab was faster.
        Err(problem) if problem.status() == 404 => Ok(Answer::SeeOther(visit.url(PATH))),
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, refusal)?;
            remove_page(&visit, id).await?.answer(&state, vec![password(&visit, &state)], Some(refused))
        }
    }
}

#[post("/account/sign-in/passkey", data = "<form>")]
pub(super) async fn begin_sign_in(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    let options = match visit.api.begin_passkey_sign_in().await {
        Ok(options) => options,
        Err(problem) => {
            let refused = Refused::of(&visit, &mut state, problem, refusal)?;
            return sign_in::refuse(&visit, form.get("next"), refused).await;
        }
    };
    let mut page = visit.frame(visit.text("passkey-sign-in").to_string()).await?;
    "/account/sign-in".clone_into(&mut page.path);
    let page = DevicePage {
        page,
        ceremony: Ceremony::Get,
        lead: visit.text("passkey-sign-in-lead").to_string(),
        errors: Vec::new(),
        action: visit.url("/account/sign-in/passkey/answer"),
        options: options.to_string(),
        fields: Vec::new(),
        submit: visit.text("passkey-try-again").to_string(),
        next: form.get("next").to_owned(),
        credential: String::new(),
        back: (visit.sign_in_url(form.get("next")), visit.text("passkey-use-password").to_string()),
    };
    Ok(Page::personal(&page)?.into())
}

#[post("/account/sign-in/passkey/answer", data = "<form>")]
pub(super) async fn finish_sign_in(visit: Visit<'_>, form: Form) -> PageResult {
    let mut state = FormState::of(&form);
    let next = form.get("next");
    let Some(credential) = credential(&form) else { return Ok(Answer::SeeOther(visit.sign_in_url(next))) };
    match visit.api.sign_in_with_passkey(&credential).await {
        Ok(sign_in) => sign_in::begin(&visit, &sign_in, next).await,
        Err(problem) => {
            let text = |code: &str| match code {
                "unauthenticated" | "validation" => Some(Key("passkey-refused")),
                "account-locked" => Some(Key("sign-in-locked")),
                _ => refusal(code),
            };
            let refused = Refused::of(&visit, &mut state, problem, text)?;
            sign_in::refuse(&visit, next, refused).await
        }
    }
}

/// Returns the answer of the device; `None` when the script has not run.
fn credential(form: &Form) -> Option<Value> {
    serde_json::from_str(form.get("credential")).ok()
}

fn refusal(code: &str) -> Option<Key> {
    match code {
        "email-not-verified" => Some(Key("totp-not-verified")),
        "passkey-required" => Some(Key("passkey-required")),
        "too-many-passkeys" => Some(Key("passkeys-full")),
        "passkeys-unavailable" => Some(Key("passkeys-unavailable")),
        "passkey-not-begun" | "passkey-refused" => Some(Key("passkey-again")),
        _ => code_required(code),
    }
}

/// The page on which the customer shows again to be the one who signed in.
async fn new_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("passkeys-add"), NEW, Key("passkey-continue")).await?;
    let mut page = page.lead(visit.text("passkey-new-lead")).link(visit.url(PATH), visit.text("passkeys-title"));
    NEW.clone_into(&mut page.page.path);
    Ok(page)
}

/// The page on which the customer names the passkey, and the device makes it.
async fn naming_page(visit: &Visit<'_>, state: &FormState) -> Result<DevicePage, PageError> {
    let mut page = visit.frame(visit.text("passkeys-add").to_string()).await?;
    NEW.clone_into(&mut page.path);
    let name = Field::new(state, "name", visit.text("passkey-name")).up_to(MAX_PASSKEY_NAME);
    Ok(DevicePage {
        page,
        ceremony: Ceremony::Create,
        lead: visit.text("passkey-create-lead").to_string(),
        errors: state.errors().to_vec(),
        action: visit.url(PATH),
        options: String::new(),
        fields: vec![name.hint(visit.text("passkey-name-hint"))],
        submit: visit.text("passkey-create").to_string(),
        next: String::new(),
        credential: state.value("credential").to_owned(),
        back: (visit.url(PATH), visit.text("passkeys-title").to_string()),
    })
}

async fn remove_page(visit: &Visit<'_>, id: &str) -> Result<FormPage, PageError> {
    let token = visit.require_customer().await?;
    let passkeys = visit.api.passkeys(&token).await?;
    let passkey = passkeys.into_iter().find(|passkey| passkey.id == id).ok_or_else(PageError::not_found)?;
    let path = format!("{PATH}/{id}/remove");
    let page = FormPage::new(visit, Key("passkey-remove-title"), &path, Key("passkeys-remove")).await?;
    let lead = visit.text("passkey-remove-lead").arg("name", passkey.name.as_str()).to_string();
    let mut page = page.lead(lead).link(visit.url(PATH), visit.text("passkeys-title"));
    page.page.path = path;
    Ok(FormPage { is_dangerous: true, ..page })
}

fn password(visit: &Visit<'_>, form: &FormState) -> Field {
    Field::password(form, "current", visit.text("account-current-password"), "current-password")
}
