//! The collections of this service, with queries in domain terms. No rule lives here: callers pass
//! rules in.

pub(crate) mod carts;
pub(crate) mod discount_uses;
pub(crate) mod orders;
pub(crate) mod saved_views;
pub(crate) mod shop;
pub(crate) mod shop_cache;

use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_http::auth::TokenRevocations;
use souk_store::Database;
use souk_types::Result;

pub(crate) use self::carts::CartState;
use self::carts::{Carts, GuestCarts, Wishlists};
use self::discount_uses::DiscountUsesStore;
use self::orders::{OrderNumberStore, Orders};
use self::saved_views::SavedViewsStore;
use self::shop::ShopStore;
use crate::domain::cart::Cart;
use crate::domain::guest_cart::{GuestCart, GuestId};
use crate::domain::owner::Owner;
use crate::providers::demo::DemoBank;
use crate::providers::guest_token;

/// Opens all collections, for a command that works on every document.
pub fn open_collections(database: &Database) -> Result<()> {
    Repositories::open(database)?;
    ShopStore::open(database)?;
    DemoBank::open(database)?;
    guest_token::open_key(database)?;
    TokenRevocations::open(database)?;
    Ok(())
}

/// All repositories of this service, and the transactions that span two of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Repositories {
    database: Database,
    pub(crate) carts: Carts,
    pub(crate) guest_carts: GuestCarts,
    pub(crate) wishlists: Wishlists,
    pub(crate) saved_views: SavedViewsStore,
    pub(crate) orders: Orders,
    pub(crate) order_numbers: OrderNumberStore,
    pub(crate) discount_uses: DiscountUsesStore,
}

impl Repositories {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        Ok(Self {
            database: database.clone(),
            carts: Carts::open(database)?,
            guest_carts: GuestCarts::open(database)?,
            wishlists: Wishlists::open(database)?,
            saved_views: SavedViewsStore::open(database)?,
            orders: Orders::open(database)?,
            order_numbers: OrderNumberStore::open(database)?,
            discount_uses: DiscountUsesStore::open(database)?,
        })
    }

    /// Changes the cart of an order's owner. A guest's cart that has expired or was merged is not
    /// changed.
    pub(crate) async fn change_cart<R: Default + Send + 'static>(
        &self,
        owner: Owner,
        rule: impl Fn(&mut Cart) -> R + Send + 'static,
    ) -> Result<(CartState, R)> {
        match owner {
            Owner::Customer(customer) => {
                let change = move |cart: &mut Cart| {
                    let outcome = rule(cart);
                    Ok((if cart.is_closed() { CartState::Closed } else { CartState::Open }, outcome))
                };
                self.carts.update(customer, change).await
            }
            Owner::Guest(guest) => {
                let change = move |slot: &mut Option<GuestCart>| {
                    let outcome = slot.as_mut().and_then(GuestCart::cart_mut).map(&rule);
                    Ok((CartState::Open, outcome.unwrap_or_default()))
                };
                self.guest_carts.update(guest, change).await
            }
        }
    }

    /// Changes a customer's cart and a guest's cart by a rule, in one transaction.
    pub(crate) async fn merge_carts<R>(
        &self,
        customer: CustomerId,
        guest: GuestId,
        rule: impl Fn(&mut Cart, &mut Option<GuestCart>) -> Result<R> + Sync,
    ) -> Result<R> {
        let (carts, guest_carts, rule) = (&self.carts.0, &self.guest_carts.0, &rule);
        self.database
            .run(|tx| async move {
                let stored = tx.get(carts, customer).await?.unwrap_or_default();
                let mut cart = stored.clone();
                let mut guest_cart = tx.get(guest_carts, guest).await?;
                let outcome = rule(&mut cart, &mut guest_cart)?;
                if cart != stored {
                    tx.put(carts, customer, &cart).await?;
                }
                if let Some(guest_cart) = guest_cart {
                    tx.put(guest_carts, guest, &guest_cart).await?;
                }
                Ok(outcome)
            })
            .await
    }

    /// Closes the cart, the wishlist and the saved views of a deleted account, once for each event.
    pub(crate) async fn close_personal_documents(&self, deletion: &Delivery<CustomerDeleted>) -> Result<()> {
        let (carts, wishlists, saved_views) = (&self.carts.0, &self.wishlists.0, &self.saved_views.0);
        let customer = deletion.event.id;
        self.database
            .handle_once(deletion, |tx| async move {
                let mut cart = tx.get(carts, customer).await?.unwrap_or_default();
                let mut wishlist = tx.get(wishlists, customer).await?.unwrap_or_default();
                let mut views = tx.get(saved_views, customer).await?.unwrap_or_default();
                cart.close();
                wishlist.close();
                views.close();
                tx.put(carts, customer, &cart).await?;
                tx.put(wishlists, customer, &wishlist).await?;
                tx.put(saved_views, customer, &views).await
            })
            .await
    }
}
