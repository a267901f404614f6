//! Use cases of guest carts: create, use, merge into a customer's cart, remove when expired.

use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_types::{Error, ErrorKind, Network, Result, Timestamp};

use super::cart::{self, CartOwner};
use super::catalogue;
use crate::App;
use crate::domain::cart::{Cart, CartView};
use crate::domain::guest_cart::{self, Guest, GuestCart, GuestId, LIFETIME, LeftOut};

#[derive(Serialize)]
pub(crate) struct NewGuestCart {
    token: String,
    /// Lifetime of the cart after its last use, in seconds.
    expires_in: u64,
}

/// Issues a guest token. The cart is stored when a product is added. Errors:
/// `too-many-guest-carts`.
pub(crate) async fn create(app: &App, network: Network) -> Result<NewGuestCart> {
    app.rate_limits.count_guest_cart(network)?;
    Ok(NewGuestCart { token: app.guest_tokens.issue().await?, expires_in: LIFETIME.as_secs() })
}

/// A read counts as a use.
pub(crate) async fn get(app: &App, guest: Guest) -> Result<Cart> {
    let now = Timestamp::now();
    let stored = app.store.guest_carts.get(guest.id).await?;
    let cart = GuestCart::open(stored.as_ref(), guest, now)?;
    if stored.is_some_and(|stored| stored.needs_renewal(now))
        && let Err(error) = update(app, guest, |_| Ok(())).await
    {
        tracing::warn!(%error, "the use of a guest cart could not be recorded; the next read tries again");
    }
    Ok(cart)
}

/// Changes a guest's cart by a rule. A cart that is empty before and after is not created.
pub(crate) async fn update<R: Send + 'static>(
    app: &App,
    guest: Guest,
    rule: impl Fn(&mut Cart) -> Result<R> + Send + 'static,
) -> Result<R> {
    let update = move |slot: &mut Option<GuestCart>| {
        let now = Timestamp::now();
        let mut cart = GuestCart::open(slot.as_ref(), guest, now)?;
        let outcome = rule(&mut cart)?;
        if slot.is_some() || !cart.is_empty() {
            *slot = Some(GuestCart::used(guest, cart, now));
        }
        Ok(outcome)
    };
    app.store.guest_carts.update(guest.id, update).await
}

#[derive(Serialize)]
pub(crate) struct MergedCart {
    cart: CartView,
    left_out: Vec<LeftOut>,
}

/// Merges a guest's cart into a customer's cart. A repeated merge changes nothing and returns the
/// same left-out quantities. Errors: `cart-merged` for another customer; `validation` for a token
/// that is invalid or whose cart has expired.
pub(crate) async fn merge(app: &App, customer: CustomerId, guest_token: &str) -> Result<MergedCart> {
    let invalid_guest = |error: Error| match error.kind() {
        ErrorKind::Unauthenticated => {
            Error::invalid_field("guest", "is not a valid guest token, or its cart has expired")
        }
        _ => error,
    };
    let guest = app.guest_tokens.verify(guest_token).await.map_err(invalid_guest)?;
    let (mut ids, now) = (app.store.carts.get(customer).await?.product_ids(), Timestamp::now());
    let stored = app.store.guest_carts.get(guest.id).await?;
    // The rule reports a guest cart that cannot be merged.
    let guest_ids = GuestCart::open(stored.as_ref(), guest, now).map(|cart| cart.product_ids());
    ids.extend(guest_ids.unwrap_or_default());
    let catalogue = catalogue::get_if_up(app, ids.clone()).await?;
    let merge = |cart: &mut Cart, stored: &mut Option<GuestCart>| {
        cart.require_open()?;
        if let Some(left_out) = stored.as_ref().and_then(|stored| stored.left_out_for(customer)) {
            return Ok(left_out.to_vec());
        }
        let now = Timestamp::now();
        let from = GuestCart::open(stored.as_ref(), guest, now).map_err(invalid_guest)?;
        let left_out = guest_cart::merge(cart, &from, &catalogue)?;
        *stored = Some(GuestCart::merged(guest, customer, left_out.clone(), now));
        Ok(left_out)
    };
    let left_out = app.store.merge_carts(customer, guest.id, merge).await?;
    let cart = app.store.carts.get(customer).await?;
    // A concurrent request may have added products.
    let is_complete = cart.product_ids().iter().all(|id| ids.contains(id));
    let catalogue = if is_complete { catalogue } else { catalogue::get_if_up(app, cart.product_ids()).await? };
    let owner = CartOwner::Customer(customer);
    Ok(MergedCart { cart: cart::view(app, owner, &cart, &catalogue).await?, left_out })
}

/// Removes a customer from the tombstones of merged carts. The caller has closed the customer's
/// cart, so that no merge follows.
pub(super) async fn erase_personal_data(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let merged = app.store.guest_carts.merged_into(customer).await?;
        if merged.is_empty() {
            return Ok(());
        }
        for cart in merged {
            let erase = |slot: &mut Option<GuestCart>| {
                slot.iter_mut().for_each(GuestCart::erase_personal_data);
                Ok(())
            };
            app.store.guest_carts.update(cart.id, erase).await?;
        }
    }
}

/// Removes a guest cart that has expired at `now`, unless the guest has used it meanwhile.
pub(crate) async fn remove_expired(app: &App, id: GuestId, now: Timestamp) -> Result<()> {
    let remove = move |slot: &mut Option<GuestCart>| {
        slot.take_if(|cart| cart.has_expired(now));
        Ok(())
    };
    app.store.guest_carts.update(id, remove).await
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use rocket::futures::future::join_all;
    use serde_json::json;
    use souk_bus::Bus;
    use souk_contract::products::{ProductId, ProductSnapshot};
    use souk_http::auth::Verifier;
    use souk_http::config::Environment;
    use souk_http::rate_limit::shared::SharedLimits;
    use souk_store::{Database, Durability};
    use souk_types::{Currency, Id, Price, Quantity, TaxClass};
    use tempfile::TempDir;

    use super::*;
    use crate::{Options, PaymentMethod};

    fn product(currency: &str) -> ProductSnapshot {
        let price = Price::new(499, Currency::try_from(currency).unwrap()).unwrap();
        ProductSnapshot {
            id: ProductId::new(),
            name: "Tea".to_owned(),
            price,
            image: None,
            category: "tea".to_owned(),
            tax_class: TaxClass::Standard,
            weight_grams: 100,
            digital: false,
        }
    }

    fn pieces(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn cart_of(product: ProductSnapshot, number: u64) -> Cart {
        let mut cart = Cart::default();
        cart.add(product, pieces(number)).unwrap();
        cart
    }

    fn start() -> (App, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("shopping", &directory.path().join("s.db"), Durability::Process).unwrap();
        let bus = Bus::local();
        let options = Options::read(&mut Environment::from_pairs([]), Some(PaymentMethod::Demo));
        (
            App::start(database, &bus, &SharedLimits::default(), Verifier::from_bus(bus.clone()), options).unwrap(),
            directory,
        )
    }

    async fn guest_with(app: &App, lines: &[(&ProductSnapshot, u64)]) -> (Guest, String) {
        let token = create(app, IpAddr::from([203, 0, 113, 7]).into()).await.unwrap().token;
        let guest = app.guest_tokens.verify(&token).await.unwrap();
        for (product, number) in lines {
            let (product, quantity) = ((*product).clone(), pieces(*number));
            update(app, guest, move |cart| cart.add(product.clone(), quantity)).await.unwrap();
        }
        (guest, token)
    }

    async fn merge_and_get_left_out(app: &App, customer: CustomerId, token: &str) -> Result<Vec<LeftOut>> {
        merge(app, customer, token).await.map(|merged| merged.left_out)
    }

    async fn quantities(app: &App, customer: CustomerId) -> Vec<u32> {
        app.store.carts.get(customer).await.unwrap().lines().iter().map(|line| line.quantity.get()).collect()
    }

    #[tokio::test]
    async fn concurrent_merges_move_a_guest_cart_into_one_cart_once() {
        let (app, _directory) = start();
        let tea = product("EUR");
        for _ in 0..10 {
            let (_, token) = guest_with(&app, &[(&tea, 600)]).await;
            let (ana, ben) = (CustomerId::new(), CustomerId::new());
            let merged =
                join_all([ana, ben, ana, ben, ana].map(|customer| merge_and_get_left_out(&app, customer, &token)))
                    .await;
            let outcomes: Vec<_> = merged.iter().map(|outcome| outcome.as_ref().map_err(Error::code)).collect();
            let (anas, bens) = (quantities(&app, ana).await, quantities(&app, ben).await);
            assert_eq!([anas.as_slice(), &bens].concat(), [600], "{anas:?} {bens:?} {outcomes:?}");
            for (at, outcome) in outcomes.iter().enumerate() {
                let cart = if at % 2 == 0 { &anas } else { &bens };
                match outcome {
                    Ok(left_out) => assert!(left_out.is_empty() && !cart.is_empty(), "{at}"),
                    Err(code) => assert!(*code == "cart-merged" && cart.is_empty(), "{at}: {code}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_repeated_merge_returns_what_was_left_out() {
        let (app, _directory) = start();
        let (tea, customer) = (product("EUR"), CustomerId::new());
        let (_, first) = guest_with(&app, &[(&tea, 600)]).await;
        let (_, second) = guest_with(&app, &[(&tea, 600)]).await;
        assert_eq!(merge_and_get_left_out(&app, customer, &first).await.unwrap(), []);
        let left_out = merge_and_get_left_out(&app, customer, &second).await.unwrap();
        let expected = json!([{"product": tea, "quantity": 201, "reason": "line-full"}]);
        assert_eq!(serde_json::to_value(&left_out).unwrap(), expected);
        assert_eq!(merge_and_get_left_out(&app, customer, &second).await.unwrap(), left_out);
        assert_eq!(quantities(&app, customer).await, [999]);
    }

    #[tokio::test]
    async fn an_empty_guest_cart_is_merged_and_closed() {
        let (app, _directory) = start();
        let (tea, customer) = (product("EUR"), CustomerId::new());
        let (guest, token) = guest_with(&app, &[]).await;
        assert!(app.store.guest_carts.get(guest.id).await.unwrap().is_none(), "an empty guest cart is stored");
        merge_and_get_left_out(&app, customer, &token).await.unwrap();
        let late = update(&app, guest, move |cart| cart.add(tea.clone(), pieces(1))).await;
        assert_eq!(late.unwrap_err().code(), "cart-merged");
        assert!(quantities(&app, customer).await.is_empty());
    }

    #[tokio::test]
    async fn only_expired_guest_carts_are_removed() {
        let (app, _directory) = start();
        let now = Timestamp::now();
        let just_before = now.before(Duration::from_millis(1));
        let mut stored = Vec::new();
        for (last_use, stays) in [(just_before, false), (now, true)] {
            for merged in [false, true] {
                let guest = Guest { id: Id::new(), since: last_use };
                let cart = if merged {
                    GuestCart::merged(guest, CustomerId::new(), Vec::new(), last_use)
                } else {
                    GuestCart::used(guest, cart_of(product("EUR"), 1), last_use)
                };
                let store = move |slot: &mut Option<GuestCart>| {
                    *slot = Some(cart.clone());
                    Ok(())
                };
                app.store.guest_carts.update(guest.id, store).await.unwrap();
                stored.push((guest.id, stays));
            }
        }
        crate::jobs::remove_expired_guest_carts(&app, just_before.after(LIFETIME)).await.unwrap();
        for (guest, stays) in stored {
            assert_eq!(app.store.guest_carts.get(guest).await.unwrap().is_some(), stays);
        }
    }

    #[tokio::test]
    async fn an_erased_customer_is_removed_from_tombstones() {
        let (app, _directory) = start();
        let (tea, customer) = (product("EUR"), CustomerId::new());
        let (guest, token) = guest_with(&app, &[(&tea, 1)]).await;
        merge_and_get_left_out(&app, customer, &token).await.unwrap();
        erase_personal_data(&app, customer).await.unwrap();
        let tombstone = serde_json::to_string(&app.store.guest_carts.get(guest.id).await.unwrap()).unwrap();
        assert!(!tombstone.contains(&customer.to_string()), "{tombstone}");
        assert_eq!(merge_and_get_left_out(&app, CustomerId::new(), &token).await.unwrap_err().code(), "cart-merged");
    }
}
