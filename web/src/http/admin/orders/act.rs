//! The forms of an order: shipping, delivery, money, cancelling and notes.

use rocket::http::Status;
use rocket::post;
use souk_contract::role::Permission;
use souk_contract::shopping::{OrderId, ShipmentId};
use souk_http::Param;

use super::done::{Done, RefundOutcome};
use super::draft::{OrderAction, OrderForms};
use super::{Admin, order_path, refusal, show};
use crate::api::Problem;
use crate::form::Form;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// Why a form has done nothing.
enum Refused {
    /// A field is wrong; the forms say so.
    Field,
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[post("/admin/orders/<id>/<action>", data = "<form>")]
pub(super) async fn act(visit: Visit<'_>, id: Param<OrderId>, action: &str, form: Form) -> PageResult {
    let action = OrderAction::of(action).ok_or_else(PageError::not_found)?;
    let admin = Admin::of(&visit, action.permission()).await?;
    let mut forms = OrderForms::of(&form, action)?;
    let (status, text) = match execute(&visit, &admin, id.0, action, &form, &mut forms).await {
        Ok(done) => {
            let done = done.name();
            return Ok(Answer::SeeOther(visit.url(&format!("{}?done={done}", order_path(&id.0)))));
        }
        Err(Refused::Field) => (Status::UnprocessableEntity, None),
        Err(Refused::Problem(problem)) => {
            let status = Status::new(problem.status());
            (status, refusal::explain(&visit, &mut forms, action, problem)?)
        }
    };
    show::page(&visit, &admin, id.0, forms, text.map(|text| ("error", text)), status).await
}

/// Returns what was done.
async fn execute(
    visit: &Visit<'_>,
    admin: &Admin,
    id: OrderId,
    action: OrderAction,
    form: &Form,
    forms: &mut OrderForms,
) -> Result<Done, Refused> {
    let (api, token) = (visit.api, &admin.token);
    Ok(match action {
        OrderAction::Ship => {
            let parcel = forms.parcel(visit, form).ok_or(Refused::Field)?;
            api.ship_order(token, id, &forms.ship_key, &parcel).await?;
            Done::Shipped
        }
        OrderAction::Refund => {
            let order = api.any_order(token, id).await?;
            let refund = forms.refund(visit, form, order.order.total.currency()).ok_or(Refused::Field)?;
            let refund = api.refund_order(token, id, &forms.refund_key, &refund).await?;
            Done::Refunded(RefundOutcome::of_status(&refund.status))
        }
        OrderAction::Deliver => {
            let shipment = form.optional("shipment").map(str::parse::<ShipmentId>).transpose();
            let shipment = shipment.map_err(|_| Problem::refused(404))?;
            api.deliver_order(token, id, shipment).await?;
            Done::Delivered
        }
        OrderAction::Capture => {
            api.capture_order(token, id).await?;
            Done::Captured
        }
        OrderAction::Cancel => Done::cancelled(&api.cancel_any_order(token, id).await?),
        OrderAction::RetryRefunds => Done::Retried(RefundOutcome::of_order(&api.retry_refunds(token, id).await?)),
        OrderAction::Note => {
            api.add_order_note(token, id, &forms.note_key, forms.state.value("text")).await?;
            Done::Noted
        }
    })
}

impl OrderAction {
    /// Returns the permission that it needs.
    const fn permission(self) -> Permission {
        match self {
            Self::Ship | Self::Deliver => Permission::FulfilOrders,
            Self::Capture | Self::Cancel | Self::Refund | Self::RetryRefunds => Permission::MoveMoney,
            Self::Note => Permission::AssistCustomers,
        }
    }
}
