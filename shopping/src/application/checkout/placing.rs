//! Places an order: prices the cart, stores the order, and advances it.
//!
//! The order is stored by one insert. Its key and its claim on the cart are unique, so that two
//! requests cannot order the same contents.

use std::time::Duration;

use souk_contract::customer::{Contact, GetContact};
use souk_contract::shopping::TimelineKind;
use souk_types::{Error, IdempotencyKey, Language, Network, Result, Timestamp};
use tokio::time::Instant;

use super::advance;
use super::refusals::{Stock, reject};
use crate::App;
use crate::application::cart::{self, CartOwner};
use crate::application::{catalogue, order, order_log, quote};
use crate::domain::cart::{Cart, CartLine};
use crate::domain::cart_orders::CartClaim;
use crate::domain::checkout_request::CheckoutRequest;
use crate::domain::order::buyer::Buyer;
use crate::domain::order::checkout_table::Trigger;
use crate::domain::order::{NewOrder, Order, OrderView, StatusReason, require_orderable};
use crate::domain::owner::Owner;
use crate::domain::quote::{Item, Missing, Quote, QuoteRequest};

/// How long a request tries again when a concurrent order has the same key or claim. The order may
/// not be visible on most MongoDB nodes yet.
const RETRY_TIMEOUT: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The client that places an order.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) owner: CartOwner,
    pub(crate) network: Network,
    /// Whether the owner is an account that has shown to receive mail at its address.
    pub(crate) is_verified: bool,
    /// The language of the mails about the order.
    pub(crate) language: Language,
}

pub(crate) struct Placed {
    pub(crate) outcome: Result<OrderView>,
    pub(crate) replayed: bool,
}

/// Orders all products in the cart. Requests with the same key and body get the same order.
pub(crate) async fn place(app: &App, client: Client, key: IdempotencyKey, request: CheckoutRequest) -> Result<Placed> {
    let owner = client.owner.into();
    let (stored, cart, contact) = tokio::join!(
        app.store.orders.by_key(owner, &key),
        cart::load(app, client.owner),
        contact(app, owner, &request)
    );
    let (order, replayed) = match stored? {
        Some(order) => (order, true),
        // Boxed, because its future is large.
        None => match Box::pin(place_new(app, client, &key, &request, cart, contact)).await {
            Ok(placed) => placed,
            // A concurrent request with the same key may have placed the order and emptied the
            // cart.
            Err(error) => (app.store.orders.by_key(owner, &key).await?.ok_or(error)?, true),
        },
    };
    order.require_same_request(&request)?;
    let order = Box::pin(advance(app, order, Trigger::Request)).await?;
    let outcome = match order.outcome() {
        Ok(view) => Ok(order::with_link(app, &order, view).await?),
        Err(refusal) => Err(refusal),
    };
    Ok(Placed { outcome, replayed })
}

/// Stores a new order. Returns true with an order that another request with the same key has
/// stored.
async fn place_new(
    app: &App,
    client: Client,
    key: &IdempotencyKey,
    request: &CheckoutRequest,
    cart: Result<Cart>,
    contact: Result<Option<Contact>>,
) -> Result<(Order, bool)> {
    let owner: Owner = client.owner.into();
    app.rate_limits.count_order(owner, client.network)?;
    quote::count_vat_number(app, client.network, &request.quote_request)?;
    let buyer = Buyer::new(complete_quote_request(request, contact?)?, request.note.clone());
    let (mut cart, deadline) = (cart?, Instant::now() + RETRY_TIMEOUT);
    loop {
        let now = Timestamp::now();
        app.checkout_limits.check(&cart, now)?;
        let (limits, priced) =
            tokio::join!(check_unpaid(app, client, &cart, &buyer, now), price(app, owner, &cart, &buyer, request));
        limits?;
        let (buyer, quote) = priced?;
        let unverified_network = (!client.is_verified).then_some(client.network);
        let order = NewOrder { owner, unverified_network, key, request, buyer, quote, language: client.language }
            .of_cart(&cart, &app.checkout_limits, now)?;
        match app.store.orders.insert(&order).await {
            Ok(()) => return Ok((check_network_again(app, order).await?, false)),
            Err(error) if error.is_duplicate() => {}
            Err(error) => return Err(error),
        }
        let claim = CartClaim::new(owner, cart.orders.revision());
        let orders = &app.store.orders;
        let (same_key, claiming) = tokio::try_join!(orders.by_key(owner, key), orders.by_claim(&claim))?;
        if let Some(order) = same_key {
            return Ok((order, true));
        }
        claiming.as_ref().map_or(Ok(()), Order::require_decided)?;
        // The claiming order was confirmed after the cart was read, has just failed, or is not
        // visible yet.
        if Instant::now() >= deadline {
            return Err(Error::busy("Another order of this cart is being placed; try again with the same key."));
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
        cart = cart::load(app, client.owner).await?;
    }
}

/// Checks the limits of unpaid orders from the buyer's network, and to a guest's address. Errors:
/// `unverified-limit`, `too-many-unpaid-orders`.
async fn check_unpaid(app: &App, client: Client, cart: &Cart, buyer: &Buyer, now: Timestamp) -> Result<()> {
    if !client.is_verified {
        let held = app.store.orders.unverified_pieces(client.network).await?;
        if !app.checkout_limits.fits_network(held, cart)? {
            let orders = app.store.orders.of_network(client.network).await?;
            return Err(app.checkout_limits.network_is_full(held, &orders, now));
        }
    }
    match (client.owner.into(), buyer.email()) {
        (Owner::Guest(_), Some(email)) => {
            app.checkout_limits.check_unpaid(&app.store.orders.of_guests(email).await?, now)
        }
        _ => Ok(()),
    }
}

/// Rejects a new order if it exceeds the limit of its network together with others that were placed
/// at the same moment.
async fn check_network_again(app: &App, order: Order) -> Result<Order> {
    let Some(network) = order.unverified_network() else { return Ok(order) };
    let held = app.store.orders.unverified_pieces(network).await?;
    let Err(error) = app.checkout_limits.check_network_again(held) else { return Ok(order) };
    let entry = order_log::entry(TimelineKind::State, "unpaid-pieces", error.code().to_owned());
    reject(app, &order, error, StatusReason::ReservationRefused, Stock::NotHeld, entry).await
}

/// Asks `customer` for the e-mail address and the saved address that the request leaves out.
async fn contact(app: &App, owner: Owner, request: &CheckoutRequest) -> Result<Option<Contact>> {
    let Owner::Customer(account) = owner else { return Ok(None) };
    if request.quote_request.email.is_some() && request.shipping_address_id.is_none() {
        return Ok(None);
    }
    app.bus.call(GetContact { account, address: request.shipping_address_id }).await.map(Some)
}

/// Returns the request for a quote with what the client leaves out.
fn complete_quote_request(request: &CheckoutRequest, contact: Option<Contact>) -> Result<QuoteRequest> {
    let mut quote_request = request.quote_request.clone();
    match contact {
        Some(Contact::Open { email, address, .. }) => {
            quote_request.email.get_or_insert(email);
            if request.shipping_address_id.is_some() {
                let unknown = || Error::invalid_field("shipping_address_id", "is not in your address book");
                quote_request.shipping_address = Some(address.ok_or_else(unknown)?);
            }
        }
        Some(Contact::Closed) => return Err(Error::unauthenticated("The account is deleted.")),
        None if request.shipping_address_id.is_some() => {
            return Err(Error::invalid_field("shipping_address_id", "needs an account; send shipping_address"));
        }
        None => {}
    }
    Ok(quote_request)
}

/// Prices the cart. The snapshots of its products may be old: a refusal counts at current prices.
async fn price(
    app: &App,
    owner: Owner,
    cart: &Cart,
    buyer: &Buyer,
    request: &CheckoutRequest,
) -> Result<(Buyer, Quote)> {
    let item = |line: &CartLine| Item { product: line.product.clone(), quantity: line.quantity };
    let items: Vec<Item> = cart.lines().iter().map(item).collect();
    match price_items(app, owner, items.clone(), buyer.clone(), request).await {
        Err(error) if !error.is_transient() => {
            let catalogue = catalogue::get(app, cart.product_ids()).await?;
            let current = |item: Item| Item { product: catalogue.current(&item.product).clone(), ..item };
            price_items(app, owner, items.into_iter().map(current).collect(), buyer.clone(), request).await
        }
        priced => priced,
    }
}

/// Chooses the only method that ships to the address if the request names none.
async fn price_items(
    app: &App,
    owner: Owner,
    items: Vec<Item>,
    mut buyer: Buyer,
    request: &CheckoutRequest,
) -> Result<(Buyer, Quote)> {
    let mut quote = quote::of_items(app, owner.customer(), buyer.request.clone(), items.clone()).await?;
    if let [only] = &*quote.shipping.options
        && buyer.request.shipping_method.is_none()
        && quote.missing.contains(&Missing::ShippingMethod)
    {
        buyer.request.shipping_method = Some(only.id.clone());
        quote = quote::of_items(app, owner.customer(), buyer.request.clone(), items).await?;
    }
    require_orderable(&quote, request.expected_total)?;
    Ok((buyer, quote))
}
