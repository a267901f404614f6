//! Deletion of an account, and the receipt of its erasure.

use rocket::http::Status;
use rocket::request::Request;
use rocket::response::{self, Responder};
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, get, routes};
use serde::Serialize;
use souk_http::{ClientNetwork, Json, Param};
use souk_types::Timestamp;

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::credentials::FreshProof;
use crate::application::erasures;
use crate::domain::erasure::{ErasedBy, ErasureId, ErasureReceipt};

pub(super) fn routes() -> Vec<Route> {
    routes![delete_account, get_receipt]
}

/// A receipt in a response, without personal data.
#[derive(Serialize)]
struct ReceiptView {
    id: ErasureId,
    requested_at: Timestamp,
    completed_at: Option<Timestamp>,
    services: ErasedBy,
}

impl From<ErasureReceipt> for ReceiptView {
    fn from(receipt: ErasureReceipt) -> Self {
        Self {
            id: receipt.id(),
            requested_at: receipt.requested_at(),
            completed_at: receipt.completed_at(),
            services: receipt.services().clone(),
        }
    }
}

struct Accepted(ReceiptView);

impl<'r> Responder<'r, 'static> for Accepted {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let location = format!("/customer/erasure/{}", self.0.id);
        let mut response = (Status::Accepted, JsonResponse(self.0)).respond_to(request)?;
        response.set_raw_header("Location", location);
        Ok(response)
    }
}

#[delete("/profile", data = "<proof>")]
async fn delete_account(
    app: &State<App>,
    auth: CustomerAuth,
    network: ClientNetwork,
    proof: Json<FreshProof>,
) -> souk_http::Result<Accepted> {
    Ok(Accepted(erasures::delete_account(app, auth.id(), proof.0, network.0).await?.into()))
}

/// Returns a receipt without sign-in: the account is erased, and the id is unguessable.
#[get("/erasure/<id>")]
async fn get_receipt(app: &State<App>, id: Param<ErasureId>) -> souk_http::Result<JsonResponse<ReceiptView>> {
    Ok(JsonResponse(erasures::get(app, id.0).await?.into()))
}
