//! Guests: a cart without an account. A guest is a signed token that names a cart. The cart is made when something is put in, kept for 30 days
//! from its last use, and goes into a customer's cart when they have signed in and say so: once, however often and by whomever it is said.
//! A tombstone stays in its place, which knows where everything went.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductSnapshot;
use souk_types::input::{Fields, Input};
use souk_types::{Error, ErrorKind, Id, Quantity, Result, Timestamp};

use crate::App;
use crate::domain::cart::{self, Cart, CartView, Owner};

/// The id of a guest, and of their cart.
pub type GuestId = Id<Guest>;

/// Somebody without an account.
#[derive(Debug, Clone, Copy)]
pub struct Guest {
    /// Their id.
    pub(crate) id: GuestId,
    /// When their token was made.
    pub(crate) since: Timestamp,
}

/// A cart that nobody has used for so long is not kept.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// Who only looks renews the cart as well, once a day at most: looking should not cost a write each time.
const RENEWED_EVERY: Duration = Duration::from_hours(24);

/// A guest's cart as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GuestCart {
    pub(crate) id: GuestId,
    /// Then it is removed. A tombstone outlives the last moment at which its token could make a new cart.
    expires: Timestamp,
    contents: Contents,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Contents {
    /// It is used.
    Open { cart: Cart },
    /// It went into a customer's cart, so that it can go nowhere else; nobody's, when that account is deleted.
    Merged { into: Option<CustomerId>, left_out: Vec<LeftOut> },
}

/// What did not fit into the customer's cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// Of which product.
    product: ProductSnapshot,
    /// How many.
    quantity: Quantity,
    reason: Reason,
}

/// Why something did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reason {
    /// A line holds no more.
    LineFull,
    /// A cart has no more lines.
    CartFull,
    /// The customer's cart has another currency.
    CurrencyMixed,
}

impl GuestCart {
    /// The cart as it stands. What is not there is empty, unless the token is so old that the cart may have been removed. Errors:
    /// `cart-merged`, `Unauthenticated` when it is no longer kept.
    fn of(kept: Option<&Self>, guest: Guest, now: Timestamp) -> Result<Cart> {
        let gone = || Error::unauthenticated("This cart was not used for 30 days and is no longer kept.");
        match kept {
            None if guest.since.after(KEPT_FOR) <= now => Err(gone()),
            None => Ok(Cart::default()),
            Some(Self { contents: Contents::Merged { .. }, .. }) => Err(merged()),
            Some(kept) if kept.is_over(now) => Err(gone()),
            Some(Self { contents: Contents::Open { cart }, .. }) => Ok(cart.clone()),
        }
    }

    /// As it is kept from now on.
    fn used(guest: Guest, contents: Contents, now: Timestamp) -> Self {
        Self { id: guest.id, expires: now.after(KEPT_FOR), contents }
    }

    /// Whether it is no longer kept.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether a look is to be noted as its last use.
    fn is_to_be_renewed(&self, now: Timestamp) -> bool {
        self.expires < now.after(KEPT_FOR).before(RENEWED_EVERY)
    }

    /// What did not fit when it went into this customer's cart, if it did.
    fn left_out_for(&self, customer: CustomerId) -> Option<&[LeftOut]> {
        match &self.contents {
            Contents::Merged { into, left_out } if *into == Some(customer) => Some(left_out),
            Contents::Merged { .. } | Contents::Open { .. } => None,
        }
    }

    /// Forgets into whose cart it went, and what did not fit.
    fn forget_customer(&mut self) {
        if let Contents::Merged { into, left_out } = &mut self.contents {
            (*into, *left_out) = (None, Vec::new());
        }
    }
}

fn merged() -> Error {
    Error::conflict("cart-merged", "This cart went into the cart of an account; sign in to see it.")
}

/// Puts all that fits of a guest's cart into a customer's, and returns the rest. Errors: the account is deleted.
fn take_in(cart: &mut Cart, guests: &Cart) -> Result<Vec<LeftOut>> {
    let mut left_out = Vec::new();
    for line in guests.lines() {
        let (product, wanted) = (&line.seen, line.quantity);
        let there = cart.lines().iter().find(|line| line.seen.id == product.id).map(|line| line.quantity);
        let room = Quantity::MAX - there.map_or(0, Quantity::get);
        let fits = Quantity::try_from(u64::from(wanted.get().min(room))).ok();
        let mut leave = |quantity, reason| left_out.push(LeftOut { product: product.clone(), quantity, reason });
        if let Some(rest) = fits.map_or(Some(wanted), |fits| wanted.checked_sub(fits)) {
            leave(rest, Reason::LineFull);
        }
        let Some(fits) = fits else { continue };
        match cart.add(product.clone(), fits) {
            Ok(()) => {}
            Err(error) if error.code() == "currency-mixed" => leave(fits, Reason::CurrencyMixed),
            Err(error) if error.kind() == ErrorKind::Conflict => leave(fits, Reason::CartFull),
            Err(error) => return Err(error),
        }
    }
    Ok(left_out)
}

/// What a new guest is given.
#[derive(Serialize)]
pub(crate) struct Welcome {
    token: String,
    /// Seconds after its last use for which the cart is kept.
    expires_in: u64,
}

/// Makes a guest. Nothing is kept of them until they put something into their cart.
pub(crate) async fn welcome(app: &App) -> Result<Welcome> {
    Ok(Welcome { token: app.guest_tokens.issue().await?, expires_in: KEPT_FOR.as_secs() })
}

/// A guest's cart. To look at it is to use it.
pub(crate) async fn look(app: &App, guest: Guest) -> Result<Cart> {
    let now = Timestamp::now();
    let kept = app.guest_carts.0.get(guest.id).await?;
    let cart = GuestCart::of(kept.as_ref(), guest, now)?;
    if kept.is_some_and(|kept| kept.is_to_be_renewed(now))
        && let Err(error) = change(app, guest, |_| Ok(())).await
    {
        tracing::warn!(%error, "a guest's cart could not be renewed; the next look will");
    }
    Ok(cart)
}

/// Changes a guest's cart by a rule. Errors: the rule's, `cart-merged`, `Unauthenticated` when it is no longer kept.
pub(crate) async fn change<R: Send + 'static>(
    app: &App,
    guest: Guest,
    rule: impl Fn(&mut Cart) -> Result<R> + Send + 'static,
) -> Result<R> {
    let change = move |slot: &mut Option<GuestCart>, _: &mut _| {
        let now = Timestamp::now();
        let mut cart = GuestCart::of(slot.as_ref(), guest, now)?;
        let outcome = rule(&mut cart)?;
        if slot.is_some() || !cart.lines().is_empty() {
            *slot = Some(GuestCart::used(guest, Contents::Open { cart }, now));
        }
        Ok(outcome)
    };
    app.guest_carts.0.upsert(guest.id, change).await
}

/// The body of `POST /cart/merge`.
pub(crate) struct Merge {
    guest: String,
}

impl Input for Merge {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("guest").map(|guest| Self { guest })
    }
}

/// What became of a guest's cart.
#[derive(Serialize)]
pub(crate) struct Merged {
    cart: CartView,
    left_out: Vec<LeftOut>,
}

/// Puts a guest's cart into a customer's. Said again, it changes nothing and is answered alike. Errors: `cart-merged` when it went into
/// another's, `validation` for what is no guest's token, or no longer.
pub(crate) async fn merge(app: &App, customer: CustomerId, merge: Merge) -> Result<Merged> {
    let refused = |error: Error| match error.kind() {
        ErrorKind::Unauthenticated => Error::invalid_field("guest", "is not the token of a guest, or no longer"),
        _ => error,
    };
    let guest = app.guest_tokens.verify(&merge.guest).await.map_err(refused)?;
    let left_out = app
        .database
        .run(|tx| async move {
            let now = Timestamp::now();
            let mut cart = tx.get(&app.carts.0, customer).await?.unwrap_or_default();
            if cart.is_closed() {
                return Err(Error::unauthenticated("The account is deleted."));
            }
            let kept = tx.get(&app.guest_carts.0, guest.id).await?;
            if let Some(left_out) = kept.as_ref().and_then(|kept| kept.left_out_for(customer)) {
                return Ok(left_out.to_vec());
            }
            let guests = GuestCart::of(kept.as_ref(), guest, now).map_err(refused)?;
            let left_out = take_in(&mut cart, &guests)?;
            if !guests.lines().is_empty() {
                tx.put(&app.carts.0, customer, &cart).await?;
            }
            let tombstone = Contents::Merged { into: Some(customer), left_out: left_out.clone() };
            tx.put(&app.guest_carts.0, guest.id, &GuestCart::used(guest, tombstone, now)).await?;
            Ok(left_out)
        })
        .await?;
    Ok(Merged { cart: cart::view(app, Owner::Customer(customer)).await?, left_out })
}

/// Forgets whose the carts were that went into a customer's cart. That one is closed by now, so no more can come.
pub(crate) async fn forget_customer(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let merged = app.guest_carts.merged_into(customer).await?;
        if merged.is_empty() {
            return Ok(());
        }
        for cart in merged {
            let forget = |slot: &mut Option<GuestCart>, _: &mut _| {
                slot.iter_mut().for_each(GuestCart::forget_customer);
                Ok(())
            };
            app.guest_carts.0.upsert(cart.id, forget).await?;
        }
    }
}

/// Deletes a guest's cart that has expired, unless it has just been used.
pub(crate) async fn delete_expired(app: App, cart: GuestCart, now: Timestamp) -> Result<()> {
    let delete = move |slot: &mut Option<GuestCart>, _: &mut _| {
        slot.take_if(|cart| cart.is_over(now));
        Ok(())
    };
    app.guest_carts.0.upsert(cart.id, delete).await
}

#[cfg(test)]
mod tests {
    use rocket::futures::future::join_all;
    use souk_bus::Bus;
    use souk_contract::products::ProductId;
    use souk_http::auth::Verifier;
    use souk_store::{Database, Durability};
    use souk_types::Currency;
    use souk_types::Price;
    use tempfile::TempDir;

    use super::*;

    fn item(currency: &str) -> ProductSnapshot {
        let price = Price::new(499, Currency::try_from(currency).unwrap()).unwrap();
        ProductSnapshot { id: ProductId::new(), name: "Tea".to_owned(), price, image: None }
    }

    fn pieces(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn cart_of(lines: &[(&ProductSnapshot, u64)]) -> Cart {
        let mut cart = Cart::default();
        for (item, number) in lines {
            cart.add((*item).clone(), pieces(*number)).unwrap();
        }
        cart
    }

    fn quantities(cart: &Cart) -> Vec<u32> {
        cart.lines().iter().map(|line| line.quantity.get()).collect()
    }

    /// What the customer has, what the guest has, what they have together, and what is left out.
    type Case<'c> =
        (&'c str, Vec<(&'c ProductSnapshot, u64)>, Vec<(&'c ProductSnapshot, u64)>, Vec<u32>, Vec<(u32, Reason)>);

    #[test]
    fn quantities_add_up_and_what_does_not_fit_is_told() {
        let (tea, mug, jeans) = (item("EUR"), item("EUR"), item("USD"));
        let cases: Vec<Case<'_>> = vec![
            ("both empty", vec![], vec![], vec![], vec![]),
            ("into an empty one", vec![], vec![(&tea, 2), (&mug, 1)], vec![2, 1], vec![]),
            ("from an empty one", vec![(&tea, 2)], vec![], vec![2], vec![]),
            ("another product", vec![(&tea, 2)], vec![(&mug, 3)], vec![2, 3], vec![]),
            ("the same product", vec![(&tea, 2)], vec![(&tea, 3), (&mug, 1)], vec![5, 1], vec![]),
            ("just so", vec![(&tea, 998)], vec![(&tea, 1)], vec![999], vec![]),
            ("one too many", vec![(&tea, 998)], vec![(&tea, 2)], vec![999], vec![(1, Reason::LineFull)]),
            ("full", vec![(&tea, 999)], vec![(&tea, 5)], vec![999], vec![(5, Reason::LineFull)]),
            ("two currencies", vec![(&tea, 1)], vec![(&jeans, 2)], vec![1], vec![(2, Reason::CurrencyMixed)]),
        ];
        for (what, customers, guests, together, left) in cases {
            let (mut cart, guests) = (cart_of(&customers), cart_of(&guests));
            let left_out = take_in(&mut cart, &guests).unwrap();
            assert_eq!(quantities(&cart), together, "{what}");
            let told: Vec<_> = left_out.iter().map(|left| (left.quantity.get(), left.reason)).collect();
            assert_eq!(told, left, "{what}");
        }
    }

    #[test]
    fn a_cart_of_100_lines_takes_more_of_its_products_and_no_others() {
        let (shelf, other) = ((0..100).map(|_| item("EUR")).collect::<Vec<_>>(), item("EUR"));
        let mut cart = cart_of(&shelf.iter().map(|item| (item, 1)).collect::<Vec<_>>());
        let left_out = take_in(&mut cart, &cart_of(&[(&other, 3), (&shelf[7], 4)])).unwrap();
        assert_eq!((cart.lines().len(), cart.lines()[7].quantity.get()), (100, 5));
        assert_eq!(left_out, [LeftOut { product: other, quantity: pieces(3), reason: Reason::CartFull }]);
    }

    #[test]
    fn a_cart_is_kept_for_30_days_from_its_last_use() {
        let since = Timestamp::now();
        let (guest, tea) = (Guest { id: Id::new(), since }, item("EUR"));
        let days = |days: u64| since.after(Duration::from_hours(24 * days));
        let just_before = |time: Timestamp| time.before(Duration::from_millis(1));
        let open = |last: Timestamp| GuestCart::used(guest, Contents::Open { cart: cart_of(&[(&tea, 2)]) }, last);
        let merged = Contents::Merged { into: None, left_out: Vec::new() };
        let merged = GuestCart::used(guest, merged, days(1));
        for (what, kept, now, expected) in [
            ("never used", None, since, Ok(0)),
            ("not used in time", None, just_before(days(30)), Ok(0)),
            ("perhaps removed", None, days(30), Err("unauthenticated")),
            ("used", Some(open(days(10))), just_before(days(40)), Ok(1)),
            ("to be removed", Some(open(days(10))), days(40), Err("unauthenticated")),
            ("merged", Some(merged.clone()), days(2), Err("cart-merged")),
            ("merged long ago", Some(merged), days(31), Err("cart-merged")),
        ] {
            let cart = GuestCart::of(kept.as_ref(), guest, now);
            let seen = cart.as_ref().map(|cart| cart.lines().len()).map_err(Error::code);
            assert_eq!(seen, expected, "{what}");
        }
        assert!(!open(days(1)).is_to_be_renewed(days(2)) && open(days(1)).is_to_be_renewed(days(3)));
    }

    fn start() -> (App, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("shopping", &directory.path().join("s.db"), Durability::Process).unwrap();
        let bus = Bus::local();
        (App::start(database, &bus, Verifier::from_bus(bus.clone()), crate::Options::default()).unwrap(), directory)
    }

    async fn guest_with(app: &App, lines: &[(&ProductSnapshot, u64)]) -> (Guest, String) {
        let token = welcome(app).await.unwrap().token;
        let guest = app.guest_tokens.verify(&token).await.unwrap();
        for (item, number) in lines {
            let (item, quantity) = ((*item).clone(), pieces(*number));
            change(app, guest, move |cart| cart.add(item.clone(), quantity)).await.unwrap();
        }
        (guest, token)
    }

    async fn merges(app: &App, customer: CustomerId, token: &str) -> Result<Vec<LeftOut>> {
        merge(app, customer, Merge { guest: token.to_owned() }).await.map(|merged| merged.left_out)
    }

    async fn cart(app: &App, customer: CustomerId) -> Vec<u32> {
        quantities(&app.carts.0.get(customer).await.unwrap().unwrap_or_default())
    }

    #[tokio::test]
    async fn a_cart_goes_into_one_other_once_however_many_ask_at_once() {
        let (app, _directory) = start();
        let tea = item("EUR");
        for _ in 0..10 {
            let (_, token) = guest_with(&app, &[(&tea, 600)]).await;
            let (ana, ben) = (CustomerId::new(), CustomerId::new());
            let asked = join_all([ana, ben, ana, ben, ana].map(|customer| merges(&app, customer, &token))).await;
            let outcomes: Vec<_> = asked.iter().map(|outcome| outcome.as_ref().map_err(Error::code)).collect();
            let (anas, bens) = (cart(&app, ana).await, cart(&app, ben).await);
            assert_eq!([anas.as_slice(), &bens].concat(), [600], "{anas:?} {bens:?} {outcomes:?}");
            for (at, outcome) in outcomes.iter().enumerate() {
                let has_it = if at % 2 == 0 { &anas } else { &bens };
                match outcome {
                    Ok(left_out) => assert!(left_out.is_empty() && !has_it.is_empty(), "{at}"),
                    Err(code) => assert!(*code == "cart-merged" && has_it.is_empty(), "{at}: {code}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn what_did_not_fit_is_told_again() {
        let (app, _directory) = start();
        let (tea, customer) = (item("EUR"), CustomerId::new());
        let (_, first) = guest_with(&app, &[(&tea, 600)]).await;
        let (_, second) = guest_with(&app, &[(&tea, 600)]).await;
        assert_eq!(merges(&app, customer, &first).await.unwrap(), []);
        let left_out = merges(&app, customer, &second).await.unwrap();
        assert_eq!(left_out, [LeftOut { product: tea, quantity: pieces(201), reason: Reason::LineFull }]);
        assert_eq!(merges(&app, customer, &second).await.unwrap(), left_out);
        assert_eq!(cart(&app, customer).await, [999]);
    }

    #[tokio::test]
    async fn an_empty_cart_is_merged_too_and_takes_nothing_afterwards() {
        let (app, _directory) = start();
        let (tea, customer) = (item("EUR"), CustomerId::new());
        let (guest, token) = guest_with(&app, &[]).await;
        assert!(app.guest_carts.0.get(guest.id).await.unwrap().is_none(), "nothing is kept of who only came in");
        merges(&app, customer, &token).await.unwrap();
        let late = change(&app, guest, move |cart| cart.add(tea.clone(), pieces(1))).await;
        assert_eq!(late.unwrap_err().code(), "cart-merged");
        assert!(cart(&app, customer).await.is_empty());
    }

    #[tokio::test]
    async fn carts_that_are_over_are_removed_and_no_others() {
        let (app, _directory) = start();
        let now = Timestamp::now();
        let just_before = now.before(Duration::from_millis(1));
        let open = || Contents::Open { cart: cart_of(&[(&item("EUR"), 1)]) };
        let merged = || Contents::Merged { into: None, left_out: Vec::new() };
        let cases =
            [(open(), just_before, false), (merged(), just_before, false), (open(), now, true), (merged(), now, true)];
        let mut kept = Vec::new();
        for (contents, used, stays) in cases {
            let guest = Guest { id: Id::new(), since: used };
            app.guest_carts.0.insert(guest.id, GuestCart::used(guest, contents, used)).await.unwrap();
            kept.push((guest.id, stays));
        }
        crate::jobs::delete_expired_carts(&app, just_before.after(KEPT_FOR)).await.unwrap();
        for (guest, stays) in kept {
            assert_eq!(app.guest_carts.0.get(guest).await.unwrap().is_some(), stays);
        }
    }

    #[tokio::test]
    async fn a_tombstone_forgets_a_customer_who_is_erased() {
        let (app, _directory) = start();
        let (tea, customer) = (item("EUR"), CustomerId::new());
        let (guest, token) = guest_with(&app, &[(&tea, 1)]).await;
        merges(&app, customer, &token).await.unwrap();
        forget_customer(&app, customer).await.unwrap();
        let kept = serde_json::to_string(&app.guest_carts.0.get(guest.id).await.unwrap()).unwrap();
        assert!(!kept.contains(&customer.to_string()), "{kept}");
        assert_eq!(merges(&app, CustomerId::new(), &token).await.unwrap_err().code(), "cart-merged");
    }
}
