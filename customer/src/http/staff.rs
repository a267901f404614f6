//! The staff of the shop.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, get, post, routes};
use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::role::Role;
use souk_http::auth::permission::{ManageStaff, ViewOrders};
use souk_http::{Json, Param};
use souk_types::input::{Fields, Input};
use souk_types::{Email, Timestamp};

use super::auth::Staff;
use crate::app::App;
use crate::application::staff;
use crate::domain::account::Profile;

pub(super) fn routes() -> Vec<Route> {
    routes![list, give_role, remove]
}

#[derive(Serialize)]
struct StaffView {
    id: CustomerId,
    email: Email,
    role: Role,
    /// Whether a sign-in needs a code.
    totp_active: bool,
    /// The number of passkeys.
    passkeys: usize,
    created_at: Timestamp,
}

impl From<Profile> for StaffView {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            totp_active: profile.second_step.is_active(),
            passkeys: profile.passkeys.list().len(),
            email: profile.email,
            role: profile.role,
            created_at: profile.created_at,
        }
    }
}

#[derive(Serialize)]
struct StaffList {
    items: Vec<StaffView>,
}

// Orders name the staff who acted on them, so the permission `view-orders` includes this list.
#[get("/staff")]
async fn list(app: &State<App>, _staff: Staff<ViewOrders>) -> souk_http::Result<JsonResponse<StaffList>> {
    let items = staff::list(app).await?.into_iter().map(StaffView::from).collect();
    Ok(JsonResponse(StaffList { items }))
}

struct GivenRole {
    email: Email,
    role: StaffRole,
}

/// A role of staff.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct StaffRole(Role);

impl TryFrom<String> for StaffRole {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let role = Role::STAFF.into_iter().find(|role| role.as_str() == text);
        role.map(Self).ok_or("must be support, orders, catalogue or admin")
    }
}

impl Input for GivenRole {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, role) = (fields.required("email"), fields.required("role"));
        Some(Self { email: email?, role: role? })
    }
}

#[post("/staff", data = "<given>")]
async fn give_role(
    app: &State<App>,
    staff: Staff<ManageStaff>,
    given: Json<GivenRole>,
) -> souk_http::Result<JsonResponse<StaffView>> {
    let GivenRole { email, role: StaffRole(role) } = given.0;
    let profile = staff::give_role(app, staff.id(), &email, role).await?;
    tracing::info!(by = %staff.id(), account = %profile.id, role = role.as_str(), "an account has a role");
    Ok(JsonResponse(profile.into()))
}

#[delete("/staff/<id>")]
async fn remove(app: &State<App>, staff: Staff<ManageStaff>, id: Param<CustomerId>) -> souk_http::Result<NoContent> {
    staff::remove(app, staff.id(), id.0).await?;
    tracing::info!(by = %staff.id(), account = %id.0, "an account has no role any more");
    Ok(NoContent)
}
