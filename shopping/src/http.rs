//! HTTP in, one call, HTTP out. The routes are documented in `docs/api.md`.

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::{Created, NoContent};
use rocket::response::{self, Responder};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Data, Route, State, delete, get, post, put, routes};
use souk_contract::products::ProductId;
use souk_contract::shopping::OrderId;
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::telemetry::whoami;
use souk_http::{Json, Param, Problem, Query, guard_outcome, with_limits};
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

type CustomerAuth = auth::CustomerAuth<App>;
type AdminAuth = auth::AdminAuth<App>;

impl Authenticator for App {
    async fn authenticate(&self, token: &str) -> Result<Identity> {
        if token::is_guests(token) {
            return Err(Error::unauthenticated("A guest has a cart and nothing else: sign in first."));
        }
        let identity = self.verifier.verify(token).await?;
        self.closed.require_open(identity).await
    }
}

/// The owner of a cart: a customer who is signed in, or a guest.
struct CartOwner(Owner);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CartOwner {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let owner = async {
            let app = request.rocket().state::<App>();
            let app = app.ok_or_else(|| Error::internal("the service's state is not managed"))?;
            let token = auth::bearer_token(request)?;
            if token::is_guests(token) {
                app.guest_tokens.verify(token).await.map(Owner::Guest)
            } else {
                app.authenticate(token).await.map(|identity| Owner::Customer(identity.id))
            }
        };
        guard_outcome(request, owner.await.map(Self))
    }
}

#[post("/guest", data = "<_nothing>")]
async fn become_guest(app: &State<App>, _nothing: Json<()>) -> souk_http::Result<(Status, Answer<Welcome>)> {
    Ok((Status::Created, Answer(guest::welcome(app).await?)))
}

#[get("/cart")]
async fn see_cart(app: &State<App>, owner: CartOwner) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::view(app, owner.0).await?))
}

#[post("/cart", data = "<addition>")]
async fn add_to_cart(
    app: &State<App>,
    owner: CartOwner,
    addition: Json<Addition>,
) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::add(app, owner.0, addition.0).await?))
}

#[put("/cart/<product_id>", data = "<setting>")]
async fn set_in_cart(
    app: &State<App>,
    owner: CartOwner,
    product_id: Param<ProductId>,
    setting: Json<Setting>,
) -> souk_http::Result<Answer<CartView>> {
    Ok(Answer(cart::set(app, owner.0, product_id.0, setting.0.0).await?))
}

#[delete("/cart/<product_id>")]
async fn remove_from_cart(
    app: &State<App>,
    owner: CartOwner,
    product_id: Param<ProductId>,
) -> souk_http::Result<NoContent> {
    cart::remove(app, owner.0, product_id.0).await?;
    Ok(NoContent)
}

#[delete("/cart")]
async fn empty_cart(app: &State<App>, owner: CartOwner) -> souk_http::Result<NoContent> {
    cart::clear(app, owner.0).await?;
    Ok(NoContent)
}

#[post("/cart/merge", data = "<merge>")]
async fn merge_cart(app: &State<App>, customer: CustomerAuth, merge: Json<Merge>) -> souk_http::Result<Answer<Merged>> {
    Ok(Answer(guest::merge(app, customer.id(), merge.0).await?))
}

#[get("/wishlist")]
async fn see_wishlist(app: &State<App>, customer: CustomerAuth) -> souk_http::Result<Answer<WishlistView>> {
    Ok(Answer(wishlist::view(app, customer.id()).await?))
}

#[post("/wishlist", data = "<wished>")]
async fn wish(
    app: &State<App>,
    customer: CustomerAuth,
    wished: Json<Wished>,
) -> souk_http::Result<Answer<WishlistView>> {
    Ok(Answer(wishlist::add(app, customer.id(), wished.0).await?))
}

#[delete("/wishlist/<product_id>")]
async fn unwish(
    app: &State<App>,
    customer: CustomerAuth,
    product_id: Param<ProductId>,
) -> souk_http::Result<NoContent> {
    wishlist::remove(app, customer.id(), product_id.0).await?;
    Ok(NoContent)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IdempotencyKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let given = souk_http::header(request, "Idempotency-Key");
        let missing = || Error::malformed("Send an Idempotency-Key: a name of your own for this order.");
        guard_outcome(request, given.and_then(|given| given.ok_or_else(missing)).and_then(str::parse))
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
    customer: CustomerAuth,
    key: IdempotencyKey,
    wanted: Json<Wanted>,
) -> souk_http::Result<OrderAnswer> {
    let checkout = Checkout { payment: app.payments.choose(wanted.0.payment)? };
    Ok(OrderAnswer(checkout::place(app, customer.id(), key, checkout).await?))
}

#[get("/orders")]
async fn see_orders(
    app: &State<App>,
    customer: CustomerAuth,
    paging: Query<Paging>,
) -> souk_http::Result<Answer<Page<OrderView>>> {
    Ok(Answer(order::list(app, customer.id(), paging.0).await?))
}

#[get("/order/<id>")]
async fn see_order(
    app: &State<App>,
    customer: CustomerAuth,
    id: Param<OrderId>,
) -> souk_http::Result<Answer<OrderView>> {
    Ok(Answer(order::get(app, customer.id(), id.0).await?))
}

#[post("/order/<id>/cancel", data = "<_nothing>")]
async fn cancel_order(
    app: &State<App>,
    customer: CustomerAuth,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    let cancelled = match customer.identity().require_admin() {
        Ok(_) => checkout::cancel_for_shop(app, id.0).await?,
        Err(_) => checkout::cancel(app, customer.id(), id.0).await?,
    };
    Ok(Answer(cancelled))
}

#[post("/order/<id>/capture", data = "<_nothing>")]
async fn capture_payment(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    Ok(Answer(checkout::capture(app, id.0).await?))
}

#[post("/order/<id>/ship", data = "<_nothing>")]
async fn ship_order(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<OrderId>,
    _nothing: Json<()>,
) -> souk_http::Result<Answer<OrderView>> {
    Ok(Answer(checkout::ship(app, id.0).await?))
}

#[get("/order/<id>/timeline")]
async fn explain_order(app: &State<App>, _admin: AdminAuth, id: Param<OrderId>) -> souk_http::Result<Answer<Timeline>> {
    Ok(Answer(timeline::explain(app, id.0).await?))
}

/// Whether a notice is Stripe's.
struct Signature(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Signature {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let given = souk_http::header(request, "Stripe-Signature");
        let missing = || Error::malformed("The notice is not signed.");
        let signature = given.and_then(|given| given.ok_or_else(missing));
        guard_outcome(request, signature.map(|signature| Self(signature.to_owned())))
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
