//! The page of a bank on which a customer confirms a payment, as 3-D Secure asks for it. Stripe's
//! library leads the browser there; the bank leads it back to the shop, with parameters that Stripe
//! adds (<https://docs.stripe.com/payments/payment-intents/verifying-status>).

use rocket::form::{Form, FromForm};
use rocket::response::Redirect;
use rocket::response::content::RawHtml;
use rocket::{Route, State, get, post, routes};

use super::{SharedAccount, number_of};

pub(super) fn routes() -> Vec<Route> {
    routes![ask, decide]
}

#[get("/bank/<id>?<return_url>")]
fn ask(account: &State<SharedAccount>, id: &str, return_url: &str) -> RawHtml<String> {
    let intent = &mut account.lock().unwrap().intents[number_of(id)];
    assert_eq!(intent.status, "requires_payment_method");
    intent.status = "requires_action";
    let return_url = return_url.replace('&', "&amp;").replace('"', "&quot;");
    let amount = intent.amount;
    RawHtml(format!(
        "<!doctype html><title>Your bank</title><h1>Pay {amount}?</h1>\
         <form method=\"post\" action=\"/bank/{id}\"><input type=\"hidden\" name=\"return_url\" value=\"{return_url}\">\
         <button id=\"confirm\" name=\"decision\" value=\"succeeded\">Confirm</button>\
         <button id=\"refuse\" name=\"decision\" value=\"failed\">Refuse</button></form>"
    ))
}

#[post("/bank/<id>", data = "<decision>")]
fn decide(account: &State<SharedAccount>, id: &str, decision: Form<Decision>) -> Redirect {
    let intent = &mut account.lock().unwrap().intents[number_of(id)];
    assert_eq!(intent.status, "requires_action");
    let Decision { return_url, decision } = decision.into_inner();
    intent.authenticate(decision == "succeeded");
    let mark = if return_url.contains('?') { '&' } else { '?' };
    let secret = format!("{id}_secret_Fh3k");
    Redirect::to(format!(
        "{return_url}{mark}payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={decision}"
    ))
}

#[derive(FromForm)]
struct Decision {
    return_url: String,
    /// The status that Stripe adds to the address.
    decision: String,
}
