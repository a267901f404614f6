//! Sign-up, profile and password.

use rocket::http::Status;
use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, get, patch, post, put, routes};
use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_contract::role::Role;
use souk_http::{ClientNetwork, Json};
use souk_types::input::{Fields, Input};
use souk_types::{Email, Language, Phone, Timestamp};

use super::auth::CustomerAuth;
use super::client_info::SignInClient;
use super::sessions::SignInView;
use crate::app::App;
use crate::application::accounts::{self, NewAccount, ProfileChanges};
use crate::application::credentials::{self, FreshProof, PasswordChange};
use crate::domain::account::Profile;
use crate::domain::address::AddressBook;

pub(super) fn routes() -> Vec<Route> {
    routes![sign_up, get_profile, change_profile, change_password]
}

/// Refuses the field `role`, so that no client can sign up as an admin.
impl Input for NewAccount {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        let phone = fields.optional("phone");
        Some(Self { email: email?, password: password?, phone, role: Role::Customer })
    }
}

#[post("/signup", data = "<new>")]
async fn sign_up(
    app: &State<App>,
    client: SignInClient,
    new: Json<NewAccount>,
) -> souk_http::Result<(Status, JsonResponse<SignInView>)> {
    let sign_in = accounts::sign_up(app, new.0, client.0).await?;
    Ok((Status::Created, JsonResponse(sign_in.into())))
}

#[derive(Serialize)]
pub(super) struct ProfileView {
    id: CustomerId,
    email: Email,
    email_verified: bool,
    phone: Option<Phone>,
    role: Role,
    totp: TotpView,
    addresses: AddressBook,
    /// The language of mails.
    language: Language,
    created_at: Timestamp,
}

/// The second step of a sign-in.
#[derive(Serialize)]
struct TotpView {
    active: bool,
    /// Whether the account has no role until it is active, or until a sign-in with a passkey.
    required: bool,
    recovery_codes_left: usize,
}

impl ProfileView {
    /// `token` is the role of the access token, which a shop may take from a session without a
    /// second step.
    pub(super) fn new(profile: Profile, token: Role) -> Self {
        let email_verified = profile.is_email_verified();
        let role = if token == profile.role { token } else { Role::Customer };
        let required = role != profile.role;
        let step = &profile.second_step;
        let totp = TotpView { active: step.is_active(), required, recovery_codes_left: step.recovery_codes_left() };
        let Profile { id, email, phone, addresses, language, created_at, .. } = profile;
        Self { id, email, email_verified, phone, role, totp, addresses, language, created_at }
    }
}

#[get("/profile")]
async fn get_profile(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<JsonResponse<ProfileView>> {
    Ok(JsonResponse(ProfileView::new(accounts::get(app, auth.id()).await?, auth.identity().role)))
}

impl Input for ProfileChanges {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, phone) = (fields.optional_non_null("email"), fields.patch("phone"));
        Some(Self { email, phone, current: fields.optional_non_null("current"), code: fields.optional("code") })
    }
}

#[patch("/profile", data = "<changes>")]
async fn change_profile(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    changes: Json<ProfileChanges>,
) -> souk_http::Result<JsonResponse<ProfileView>> {
    let profile = accounts::change(app, auth.id(), changes.0, network.0).await?;
    Ok(JsonResponse(ProfileView::new(profile, auth.identity().role)))
}

impl Input for FreshProof {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (current, code) = (fields.required("current"), fields.optional("code"));
        Some(Self { current: current?, code })
    }
}

impl Input for PasswordChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (proof, new) = (FreshProof::read(fields), fields.required("new"));
        Some(Self { proof: proof?, new: new? })
    }
}

#[put("/password", data = "<change>")]
async fn change_password(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    change: Json<PasswordChange>,
) -> souk_http::Result<NoContent> {
    credentials::change_password(app, auth.id(), change.0, network.0).await?;
    Ok(NoContent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::input::from_json;

    use super::*;

    #[test]
    fn a_sign_up_names_every_bad_field_and_takes_no_role() {
        let bad_fields = |body| {
            let error = from_json::<NewAccount>(body).err().unwrap();
            error.fields().iter().map(|bad| bad.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(bad_fields(json!({})), ["email", "password"]);
        assert_eq!(
            bad_fields(json!({"email": {"$ne": ""}, "password": 12_345_678, "phone": "1"})),
            ["email", "password", "phone"]
        );
        assert_eq!(
            bad_fields(json!({"email": "ana@example.com", "password": "correct horse", "role": "admin"})),
            ["role"]
        );
    }
}
