//! HTTP in, one call, HTTP out. The routes are documented in `docs/api.md`.

use common::Page;
use common::auth;
use common::contract::customer::CustomerId;
use common::contract::products::ProductId;
use common::contract::shopping::OrderId;
use common::error::{Error, Result};
use common::http::{self, Json, Query, in_requests};
use common::page::Paging;
use common::problem::refuse;
use common::telemetry::whoami;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::{Created, NoContent};
use rocket::response::{self, Responder};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Route, State, delete, get, post, put, routes};

use crate::App;
use crate::cart::{self, Addition, CartView, Owner, Setting};
use crate::checkout::{self, Placed};
use crate::guest::{self, Merge, Merged, Welcome, token};
use crate::idempotency::{Checkout, IdempotencyKey};
use crate::order::{self, OrderView};
use crate::wishlist::{self, Wished, WishlistView};

/// The routes of this service, to be mounted where its prefix is; they need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    in_requests(routes![
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
        who
    ])
}

/// Somebody who is signed in and whose account is open.
struct Shopper(CustomerId);

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
async fn customer(app: &App, token: &str) -> Result<CustomerId> {
    let identity = app.verifier.verify(token).await?;
    app.closed.refuse_closed(identity).await.map(|identity| identity.id)
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
                customer(app, token).await.map(Owner::Customer)
            }
        };
        match holder.await {
            Ok(owner) => Outcome::Success(Self(owner)),
            Err(error) => refuse(request, error),
        }
    }
}

#[post("/guest", data = "<_nothing>")]
async fn become_guest(app: &State<App>, _nothing: Json<()>) -> Result<(Status, Answer<Welcome>)> {
    Ok((Status::Created, Answer(guest::welcome(app).await?)))
}

#[get("/cart")]
async fn see_cart(app: &State<App>, holder: Holder) -> Result<Answer<CartView>> {
    cart::view(app, holder.0).await.map(Answer)
}

#[post("/cart", data = "<addition>")]
async fn add_to_cart(app: &State<App>, holder: Holder, addition: Json<Addition>) -> Result<Answer<CartView>> {
    cart::add(app, holder.0, addition.0).await.map(Answer)
}

#[put("/cart/<product_id>", data = "<setting>")]
async fn set_in_cart(
    app: &State<App>,
    holder: Holder,
    product_id: ProductId,
    setting: Json<Setting>,
) -> Result<Answer<CartView>> {
    cart::set(app, holder.0, product_id, setting.0.0).await.map(Answer)
}

#[delete("/cart/<product_id>")]
async fn remove_from_cart(app: &State<App>, holder: Holder, product_id: ProductId) -> Result<NoContent> {
    cart::remove(app, holder.0, product_id).await.map(|()| NoContent)
}

#[delete("/cart")]
async fn empty_cart(app: &State<App>, holder: Holder) -> Result<NoContent> {
    cart::clear(app, holder.0).await.map(|()| NoContent)
}

#[post("/cart/merge", data = "<merge>")]
async fn merge_cart(app: &State<App>, shopper: Shopper, merge: Json<Merge>) -> Result<Answer<Merged>> {
    guest::merge(app, shopper.0, merge.0).await.map(Answer)
}

#[get("/wishlist")]
async fn see_wishlist(app: &State<App>, shopper: Shopper) -> Result<Answer<WishlistView>> {
    wishlist::view(app, shopper.0).await.map(Answer)
}

#[post("/wishlist", data = "<wished>")]
async fn wish(app: &State<App>, shopper: Shopper, wished: Json<Wished>) -> Result<Answer<WishlistView>> {
    wishlist::add(app, shopper.0, wished.0).await.map(Answer)
}

#[delete("/wishlist/<product_id>")]
async fn unwish(app: &State<App>, shopper: Shopper, product_id: ProductId) -> Result<NoContent> {
    wishlist::remove(app, shopper.0, product_id).await.map(|()| NoContent)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IdempotencyKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let given = http::header(request, "Idempotency-Key");
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
        let created = |order: OrderView| Created::new(format!("/shopping/order/{}", order.id())).body(Answer(order));
        let mut answer = outcome.map(created).respond_to(request)?;
        if replayed {
            answer.set_raw_header("Idempotent-Replayed", "true");
        }
        Ok(answer)
    }
}

#[post("/order", data = "<checkout>")]
async fn place_order(
    app: &State<App>,
    shopper: Shopper,
    key: IdempotencyKey,
    checkout: Json<Checkout>,
) -> Result<OrderAnswer> {
    checkout::place(app, shopper.0, key, checkout.0).await.map(OrderAnswer)
}

#[get("/orders")]
async fn see_orders(app: &State<App>, shopper: Shopper, paging: Query<Paging>) -> Result<Answer<Page<OrderView>>> {
    order::list(app, shopper.0, paging.0).await.map(Answer)
}

#[get("/order/<id>")]
async fn see_order(app: &State<App>, shopper: Shopper, id: OrderId) -> Result<Answer<OrderView>> {
    order::get(app, shopper.0, id).await.map(Answer)
}

#[post("/order/<id>/cancel", data = "<_nothing>")]
async fn cancel_order(
    app: &State<App>,
    shopper: Shopper,
    id: OrderId,
    _nothing: Json<()>,
) -> Result<Answer<OrderView>> {
    checkout::cancel(app, shopper.0, id).await.map(Answer)
}

#[get("/whoami")]
fn who() -> Answer<Value> {
    Answer(whoami("shopping"))
}
