//! The wishlist of a customer: products without quantities, oldest first.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Page, Result};

use crate::App;
use crate::domain::cart::Status;

/// Products on one wishlist. All of them travel in one call and stand in one document.
const MAX_PRODUCTS: usize = 200;

/// A wishlist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Wishlist {
    /// The products as they were when they were wished for.
    seen: Vec<ProductSnapshot>,
    /// The account is deleted. The empty document stays, so that a change which is still under way finds it closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
}

impl Wishlist {
    /// Its products as they were when they were wished for, oldest first.
    pub(crate) fn seen(&self) -> &[ProductSnapshot] {
        &self.seen
    }

    /// Wishes for a product; once is enough.
    pub fn add(&mut self, item: ProductSnapshot) -> Result<()> {
        if self.closed {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if self.seen.iter().any(|seen| seen.id == item.id) {
            return Ok(());
        }
        if self.seen.len() >= MAX_PRODUCTS {
            return Err(Error::conflict("conflict", format!("A wishlist has at most {MAX_PRODUCTS} products.")));
        }
        self.seen.push(item);
        Ok(())
    }

    /// Wishes for it no longer.
    pub fn remove(&mut self, product: ProductId) -> Result<()> {
        let before = self.seen.len();
        self.seen.retain(|seen| seen.id != product);
        if self.seen.len() == before { Err(Error::not_found("product on the wishlist")) } else { Ok(()) }
    }

    /// Empties it for good.
    pub fn close(&mut self) {
        (self.seen, self.closed) = (Vec::new(), true);
    }
}

/// A wish as clients see it.
#[derive(Debug, Serialize)]
pub struct Wish {
    product: ProductSnapshot,
    status: Status,
    /// `None` when it is not known now.
    available: Option<u32>,
}

/// A wishlist as clients see it.
#[derive(Debug, Serialize)]
pub struct WishlistView {
    #[serde(flatten)]
    wishes: Page<Wish>,
    /// `products` could not be asked: these are the products as they were wished for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

/// The body of `POST /wishlist`.
pub struct Wished(ProductId);

impl Input for Wished {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("product_id").map(Self)
    }
}

/// The wishlist, as things are now; while `products` is down, as they were.
pub async fn view(app: &App, customer: CustomerId) -> Result<WishlistView> {
    let wishlist = app.wishlists.0.get(customer).await?.unwrap_or_default();
    let offers = app.offers_if_known(wishlist.seen.iter().map(|seen| seen.id).collect()).await?;
    let wish = |seen: ProductSnapshot| {
        let (status, available) = Status::among(offers.as_ref(), seen.id, 1);
        let offer = offers.as_ref().and_then(|offers| offers.get(&seen.id));
        Wish { product: offer.map_or(seen, |offer| offer.product.clone()), status, available }
    };
    let wishes = Page::single(wishlist.seen.into_iter().map(wish).collect());
    Ok(WishlistView { wishes, stale: offers.is_none() })
}

/// Wishes for a product.
pub async fn add(app: &App, customer: CustomerId, wished: Wished) -> Result<WishlistView> {
    let product = wished.0;
    let offer = app.offers(vec![product]).await?.remove(&product).ok_or_else(|| Error::not_found("product"))?;
    let add = move |slot: &mut Option<Wishlist>, _: &mut _| slot.get_or_insert_default().add(offer.product.clone());
    app.wishlists.0.upsert(customer, add).await?;
    view(app, customer).await
}

/// Wishes for it no longer.
pub async fn remove(app: &App, customer: CustomerId, product: ProductId) -> Result<()> {
    app.wishlists.0.upsert(customer, move |slot, _| slot.get_or_insert_default().remove(product)).await
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;
    use souk_types::Price;

    use super::*;

    fn item() -> ProductSnapshot {
        ProductSnapshot {
            id: ProductId::new(),
            name: "Tea".to_owned(),
            price: Price::new(0, Currency::EUR).unwrap(),
            image: None,
        }
    }

    #[test]
    fn a_wish_counts_once_and_can_be_given_up() {
        let (mut wishlist, tea) = (Wishlist::default(), item());
        wishlist.add(tea.clone()).unwrap();
        wishlist.add(tea.clone()).unwrap();
        wishlist.add(item()).unwrap();
        assert_eq!(wishlist.seen.len(), 2);
        wishlist.remove(tea.id).unwrap();
        assert!(wishlist.remove(tea.id).is_err());
        assert_eq!(wishlist.seen.len(), 1);
    }

    #[test]
    fn a_wishlist_is_bounded_and_can_be_closed() {
        let mut wishlist = Wishlist::default();
        for _ in 0..MAX_PRODUCTS {
            wishlist.add(item()).unwrap();
        }
        assert!(wishlist.add(item()).is_err());
        wishlist.close();
        assert!(wishlist.seen.is_empty());
        assert!(wishlist.add(item()).is_err());
    }
}
