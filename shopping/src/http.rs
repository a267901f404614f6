//! HTTP in, one call, HTTP out. The routes are documented in `docs/api.md`.

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::{Created, NoContent};
use rocket::response::{self, Responder};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Data, Route, State, delete, get, post, put, routes};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_contract::shopping::OrderId;
use souk_http::auth::{self, Identity};
use souk_http::telemetry::whoami;
use souk_http::{Json, Param, Problem, Query, refuse, with_limits};
use souk_types::{Error, Page, Paging, Result, Timestamp};

use crate::App;
use crate::application::checkout::{self, Placed};
use crate::application::timeline::{self, Timeline};
use crate::domain::cart::{self, Addition, CartView, Owner, Setting};
use crate::domain::guest_cart::{self as guest, Merge, Merged, Welcome};
use crate::domain::idempotency::{Checkout, IdempotencyKey, Wanted};
use crate::domain::order::{self, OrderView};
use crate::domain::wishlist::{self, Wished, WishlistView};
use crate::providers::guest_token as token;
use crate::providers::stripe::webhook;

/// The routes of this service, to be mounted where its prefix is; they need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_limits(routes![
        become_guest,
        see_cart,
        add_to_cart,
        set_in_cart,
        remove_from_cart,
        empty_cart,
        merge_cart,
        see_wishlist,
        wish,
        unwish,
        place_order,
        see_orders,
        see_order,
        cancel_order,
        capture_payment,
        ship_order,
        explain_order,
        hear_of_payment,
        who
    ])
}

/// Somebody who is signed in and whose account is open.
struct Shopper(Identity);

impl Shopper {
    fn id(&self) -> CustomerId {
        self.0.id
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Shopper {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("shopping is not managed"));
        };
        match auth::bearer(request) {
            Ok(token) if token::is_guests(token) => {
                refuse(request, Error::unauthenticated("A guest has a cart and nothing else: sign in first."))
            }
            Ok(token) => match customer(app, token).await {
                Ok(customer) => Outcome::Success(Self(customer)),
                Err(error) => refuse(request, error),
            },
            Err(error) => refuse(request, error),
        }
    }
}

/// Whose access token it is, if their account is open.
async fn customer(app: &App, token: &str) -> Result<Identity> {
    let identity = app.verifier.verify(token).await?;
    app.closed.require_open(identity).await
}

/// Somebody with a cart: signed in, or a guest.
struct Holder(Owner);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Holder {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("shopping is not managed"));
        };
        let holder = async {
            let token = auth::bearer(request)?;
            if token::is_guests(token) {
                app.guest_tokens.verify(token).await.map(Owner::Guest)
            } else {
                customer(app, token).await.map(|identity| Owner::Customer(identity.id))
            }
        };
        match holder.await {
            Ok(owner) => Outcome::Success(Self(owner)),
            Err(error) => refuse(request, error),
        }
    }
}

#[post("/guest", data = "<_nothing>")]
async fn become_guest(app: &State<App>, _nothing: Json<()>) -> souk_http::Result<(Status, Answer<Welcome>)> {
    Ok((Status::Created, Answer(guest::welcome(app).await?)))
}

#[get("/cart")]
async fn see_cart(app: &State<App>, holder: Holder) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::view(app, holder.0).await?))
}

#[post("/cart", data = "<addition>")]
async fn add_to_cart(
    app: &State<App>,
    holder: Holder,
    addition: Json<Addition>,
) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::add(app, holder.0, addition.0).await?))
}

#[put("/cart/<product_id>", data = "<setting>")]
async fn set_in_cart(
    app: &State<App>,
    holder: Holder,
    product_id: Param<ProductId>,
    setting: Json<Setting>,
) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::set(app, holder.0, product_id.0, setting.0.0).await?))
}

#[delete("/cart/<product_id>")]
async fn remove_from_cart(
    app: &State<App>,
    holder: Holder,
    product_id: Param<ProductId>,
) -> souk_http::Result<NoContent> {
    cart::remove(app, holder.0, product_id.0).await?;
    Ok(NoContent)
}

#[delete("/cart")]
async fn empty_cart(app: &State<App>, holder: Holder) -> souk_http::Result<NoContent> {
    cart::clear(app, holder.0).await?;
    Ok(NoContent)
}

#[post("/cart/merge", data = "<merge>")]
async fn merge_cart(app: &State<App>, shopper: Shopper, merge: Json<Merge>) -> souk_http::Result<Answer<Merged>> {
    Ok(Answer(guest::merge(app, shopper.id(), merge.0).await?))
}

#[get("/wishlist")]
async fn see_wishlist(app: &State<App>, shopper: Shopper) -> souk_http::Result<Answer<WishlistView>> {
    Ok(Answer(wishlist::view(app, shopper.id()).await?))
}

#[post("/wishlist", data = "<wished>")]
async fn wish(app: &State<App>, shopper: Shopper, wished: Json<Wished>) -> souk_http::Result<Answer<WishlistView>> {
    Ok(Answer(wishlist::add(app, shopper.id(), wished.0).await?))
}

#[delete("/wishlist/<product_id>")]
async fn unwish(app: &State<App>, shopper: Shopper, product_id: Param<ProductId>) -> souk_http::Result<NoContent> {
    wishlist::remove(app, shopper.id(), product_id.0).await?;
    Ok(NoContent)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IdempotencyKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let given = souk_http::header(request, "Idempotency-Key");
        let missing = || Error::malformed("Send an Idempotency-Key: a name of your own for this order.");
        match given.and_then(|given| given.ok_or_else(missing)).and_then(str::parse) {
            Ok(key) => Outcome::Success(key),
            Err(error) => refuse(request, error),
        }
    }
}

/// The answer to a key; the second time it says so.
struct OrderAnswer(Placed);

impl<'r> Responder<'r, 'static> for OrderAnswer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let Placed { outcome, replayed } = self.0;
        let created = |order: OrderView| {
            let status = if order.is_under_way() { Status::Accepted } else { Status::Created };
            (status, Created::new(format!("/shopping/order/{}", order.id())).body(Answer(order)))
        };
        let mut answer = outcome.map(created).map_err(Problem).respond_to(request)?;
        if replayed {
            answer.set_raw_header("Idempotent-Replayed", "true");
        }
        Ok(answer)
    }
}

#[post("/order", data = "<wanted>")]
async fn place_order(
    app: &State<App>,
    shopper: Shopper,
    key: IdempotencyKey,
    wanted: Json<Wanted>,
) -> souk_http::Result<OrderAnswer> {
    let checkout = Checkout { payment: app.payments.choose(wanted.0.payment)? };
    Ok(OrderAnswer(checkout::place(app, shopper.id(), key, checkout).await?))
}

#[get("/orders")]
async fn see_orders(
    app: &State<App>,
    shopper: Shopper,
    paging: Query<Paging>,
) -> souk_http::Result<Answer<Page<OrderView>>> {
    Ok(Answer(order::list(app, shopper.id(), paging.0).await?))
}

#[get("/order/<id>")]
async fn see_order(app: &State<App>, shopper: Shopper, id: Param<OrderId>) -> souk_http::Result<Answer<OrderView>> {
    Ok(Answer(order::get(app, shopper.id(), id.0).await?))
}

#[post("/order/<id>/cancel", data = "<_nothing>")]
async fn cancel_order(
    app: &State<App>,
    shopper: Shopper,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    let cancelled = match shopper.0.require_admin() {
        Ok(_) => checkout::cancel_for_shop(app, id.0).await?,
        Err(_) => checkout::cancel(app, shopper.id(), id.0).await?,
    };
    Ok(Answer(cancelled))
}

#[post("/order/<id>/capture", data = "<_nothing>")]
async fn capture_payment(
    app: &State<App>,
    shopper: Shopper,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    shopper.0.require_admin()?;
    Ok(Answer(checkout::capture(app, id.0).await?))
}

#[post("/order/<id>/ship", data = "<_nothing>")]
async fn ship_order(
    app: &State<App>,
    shopper: Shopper,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    shopper.0.require_admin()?;
    Ok(Answer(checkout::ship(app, id.0).await?))
}

#[get("/order/<id>/timeline")]
async fn explain_order(app: &State<App>, shopper: Shopper, id: Param<OrderId>) -> souk_http::Result<Answer<Timeline>> {
    shopper.0.require_admin()?;
    Ok(Answer(timeline::explain(app, id.0).await?))
}

/// Whether a notice is Stripe's.
struct Signature(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Signature {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        match souk_http::header(request, "Stripe-Signature") {
            Ok(Some(signature)) => Outcome::Success(Self(signature.to_owned())),
            Ok(None) => refuse(request, Error::malformed("The notice is not signed.")),
            Err(error) => refuse(request, error),
        }
    }
}

#[post("/payment/webhook", data = "<body>")]
async fn hear_of_payment(app: &State<App>, signature: Signature, body: Data<'_>) -> souk_http::Result<NoContent> {
    let Some(stripe) = &app.payments.stripe else { return Err(Error::not_found("route").into()) };
    let body = souk_http::read_body(body, webhook::MAX_BODY).await?;
    if let Some(notice) = stripe.webhook().open(&signature.0, &body, Timestamp::now())? {
        checkout::notice(app, notice).await?;
    }
    Ok(NoContent)
}

#[get("/whoami")]
fn who() -> Answer<Value> {
    Answer(whoami("shopping"))
}
