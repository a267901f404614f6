//! The cart of a guest, who has no account. It expires 30 days after its last use. After signing
//! in, the guest can merge it into the customer's cart, once. A tombstone then keeps the outcome,
//! so that a repeated merge gets the same response.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductSnapshot;
use souk_types::{Error, ErrorKind, Id, Quantity, Result, Timestamp};

use super::cart::Cart;
use super::catalogue::Catalogue;

/// Lifetime of a guest cart after its last use.
pub(crate) const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// Minimum interval between two uses that reads record, so that most reads cost no write.
const RENEWAL_INTERVAL: Duration = Duration::from_hours(24);

/// The id of a guest, which is also the id of the guest's cart.
pub(crate) type GuestId = Id<Guest>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) id: GuestId,
    /// When the guest's token was issued.
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GuestCart {
    pub(crate) id: GuestId,
    /// When the document expires. By the time a tombstone expires, its token is too old to create
    /// a new cart.
    expires: Timestamp,
    contents: Contents,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Contents {
    Open {
        cart: Cart,
    },
    /// The tombstone of a merged cart. `into` is `None` when that customer's account is deleted.
    Merged {
        into: Option<CustomerId>,
        left_out: Vec<LeftOut>,
    },
}

/// A quantity that did not fit into the customer's cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    product: ProductSnapshot,
    quantity: Quantity,
    reason: LeftOutReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LeftOutReason {
    LineFull,
    CartFull,
    CurrencyMixed,
}

impl GuestCart {
    /// Returns a guest's cart, which is empty when none is stored. Errors: `cart-merged`;
    /// `unauthenticated` when the cart has expired, or when none is stored and the token is so old
    /// that the cart may have expired.
    pub(crate) fn open(stored: Option<&Self>, guest: Guest, now: Timestamp) -> Result<Cart> {
        let expired = || Error::unauthenticated("The cart was not used for 30 days and has expired.");
        match stored {
            None if guest.since.after(LIFETIME) <= now => Err(expired()),
            None => Ok(Cart::default()),
            Some(Self { contents: Contents::Merged { .. }, .. }) => Err(Error::conflict(
                "cart-merged",
                "The cart was merged into the cart of an account; sign in to see it.",
            )),
            Some(stored) if stored.has_expired(now) => Err(expired()),
            Some(Self { contents: Contents::Open { cart }, .. }) => Ok(cart.clone()),
        }
    }

    /// Returns the cart, unless it was merged into another.
    pub(crate) fn cart_mut(&mut self) -> Option<&mut Cart> {
        match &mut self.contents {
            Contents::Open { cart } => Some(cart),
            Contents::Merged { .. } => None,
        }
    }

    pub(crate) fn used(guest: Guest, cart: Cart, now: Timestamp) -> Self {
        Self { id: guest.id, expires: now.after(LIFETIME), contents: Contents::Open { cart } }
    }

    /// Returns the tombstone of a cart that is merged at `now`.
    pub(crate) fn merged(guest: Guest, into: CustomerId, left_out: Vec<LeftOut>, now: Timestamp) -> Self {
        let contents = Contents::Merged { into: Some(into), left_out };
        Self { id: guest.id, expires: now.after(LIFETIME), contents }
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether a read at `now` must record a use.
    pub(crate) fn needs_renewal(&self, now: Timestamp) -> bool {
        self.expires < now.after(LIFETIME).before(RENEWAL_INTERVAL)
    }

    pub(crate) fn left_out_for(&self, customer: CustomerId) -> Option<&[LeftOut]> {
        match &self.contents {
            Contents::Merged { into, left_out } if *into == Some(customer) => Some(left_out),
            Contents::Merged { .. } | Contents::Open { .. } => None,
        }
    }

    pub(crate) fn erase_personal_data(&mut self) {
        if let Contents::Merged { into, left_out } = &mut self.contents {
            (*into, *left_out) = (None, Vec::new());
        }
    }
}

/// Moves a guest's lines into a customer's cart at the catalogue's prices, and returns the
/// quantities that do not fit.
pub(crate) fn merge(cart: &mut Cart, guest_cart: &Cart, catalogue: &Catalogue) -> Result<Vec<LeftOut>> {
    cart.refresh(catalogue);
    let mut left_out = Vec::new();
    for line in guest_cart.lines() {
        let (product, wanted) = (catalogue.current(&line.product), line.quantity);
        let mut leave_out = |quantity, reason| left_out.push(LeftOut { product: product.clone(), quantity, reason });
        let mut others = cart.lines().iter().filter(|line| line.product.id != product.id);
        if others.any(|line| line.product.price.currency() != product.price.currency()) {
            leave_out(wanted, LeftOutReason::CurrencyMixed);
            continue;
        }
        let existing = cart.lines().iter().find(|line| line.product.id == product.id).map(|line| line.quantity);
        let room = Quantity::MAX - existing.map_or(0, Quantity::get);
        let fits = Quantity::try_from(u64::from(wanted.get().min(room))).ok();
        if let Some(rest) = fits.map_or(Some(wanted), |fits| wanted.checked_sub(fits)) {
            leave_out(rest, LeftOutReason::LineFull);
        }
        let Some(fits) = fits else { continue };
        match cart.add(product.clone(), fits) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => leave_out(fits, LeftOutReason::CartFull),
            Err(error) => return Err(error),
        }
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use souk_contract::products::{CatalogueEntry, ProductId};
    use souk_types::Currency;
    use souk_types::{Price, TaxClass};

    use super::*;

    fn item(currency: &str) -> ProductSnapshot {
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

    /// The name of the case, the customer's cart, the guest's cart, the merged cart, and the
    /// quantities that are left out.
    type Case<'c> = (
        &'c str,
        Vec<(&'c ProductSnapshot, u64)>,
        Vec<(&'c ProductSnapshot, u64)>,
        Vec<u32>,
        Vec<(u32, LeftOutReason)>,
    );

    #[test]
    fn quantities_add_up_and_the_rest_is_left_out() {
        let (tea, mug, jeans) = (item("EUR"), item("EUR"), item("USD"));
        let cases: Vec<Case<'_>> = vec![
            ("both empty", vec![], vec![], vec![], vec![]),
            ("into an empty one", vec![], vec![(&tea, 2), (&mug, 1)], vec![2, 1], vec![]),
            ("from an empty one", vec![(&tea, 2)], vec![], vec![2], vec![]),
            ("another product", vec![(&tea, 2)], vec![(&mug, 3)], vec![2, 3], vec![]),
            ("the same product", vec![(&tea, 2)], vec![(&tea, 3), (&mug, 1)], vec![5, 1], vec![]),
            ("up to the limit", vec![(&tea, 998)], vec![(&tea, 1)], vec![999], vec![]),
            ("one too many", vec![(&tea, 998)], vec![(&tea, 2)], vec![999], vec![(1, LeftOutReason::LineFull)]),
            ("a full line", vec![(&tea, 999)], vec![(&tea, 5)], vec![999], vec![(5, LeftOutReason::LineFull)]),
            ("two currencies", vec![(&tea, 1)], vec![(&jeans, 2)], vec![1], vec![(2, LeftOutReason::CurrencyMixed)]),
        ];
        for (case, customer_lines, guest_lines, merged, expected) in cases {
            let mut cart = cart_of(&customer_lines);
            let left_out = merge(&mut cart, &cart_of(&guest_lines), &Catalogue::unavailable()).unwrap();
            assert_eq!(quantities(&cart), merged, "{case}");
            let left_out: Vec<_> = left_out.iter().map(|left_out| (left_out.quantity.get(), left_out.reason)).collect();
            assert_eq!(left_out, expected, "{case}");
        }
    }

    #[test]
    fn a_merge_decides_on_the_prices_of_the_catalogue() {
        let (tea, jeans) = (item("EUR"), item("EUR"));
        let today = ProductSnapshot { price: item("USD").price, ..jeans.clone() };
        let entries = [&tea, &today].map(|product| CatalogueEntry { product: product.clone(), available: 9 });
        let catalogue = Catalogue::new(entries.into());
        let mut cart = cart_of(&[(&tea, 1)]);
        let left_out = merge(&mut cart, &cart_of(&[(&jeans, 2)]), &catalogue).unwrap();
        assert_eq!(quantities(&cart), [1]);
        assert_eq!(left_out, [LeftOut { product: today, quantity: pieces(2), reason: LeftOutReason::CurrencyMixed }]);
    }

    #[test]
    fn a_full_cart_accepts_only_products_that_it_has() {
        let (products, other) = ((0..100).map(|_| item("EUR")).collect::<Vec<_>>(), item("EUR"));
        let mut cart = cart_of(&products.iter().map(|item| (item, 1)).collect::<Vec<_>>());
        let guest_cart = cart_of(&[(&other, 3), (&products[7], 4)]);
        let left_out = merge(&mut cart, &guest_cart, &Catalogue::unavailable()).unwrap();
        assert_eq!((cart.lines().len(), cart.lines()[7].quantity.get()), (100, 5));
        assert_eq!(left_out, [LeftOut { product: other, quantity: pieces(3), reason: LeftOutReason::CartFull }]);
    }

    #[test]
    fn a_guest_cart_expires_30_days_after_its_last_use() {
        let since = Timestamp::now();
        let (guest, tea) = (Guest { id: Id::new(), since }, item("EUR"));
        let days = |days: u64| since.after(Duration::from_hours(24 * days));
        let just_before = |time: Timestamp| time.before(Duration::from_millis(1));
        let open = |last: Timestamp| GuestCart::used(guest, cart_of(&[(&tea, 2)]), last);
        let merged = GuestCart::merged(guest, CustomerId::new(), Vec::new(), days(1));
        for (case, stored, now, expected) in [
            ("never used", None, since, Ok(0)),
            ("not used in time", None, just_before(days(30)), Ok(0)),
            ("possibly removed", None, days(30), Err("unauthenticated")),
            ("used", Some(open(days(10))), just_before(days(40)), Ok(1)),
            ("expired", Some(open(days(10))), days(40), Err("unauthenticated")),
            ("merged", Some(merged.clone()), days(2), Err("cart-merged")),
            ("merged long ago", Some(merged), days(31), Err("cart-merged")),
        ] {
            let cart = GuestCart::open(stored.as_ref(), guest, now);
            let lines = cart.as_ref().map(|cart| cart.lines().len()).map_err(Error::code);
            assert_eq!(lines, expected, "{case}");
        }
        assert!(!open(days(1)).needs_renewal(days(2)) && open(days(1)).needs_renewal(days(3)));
    }
}
