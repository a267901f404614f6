//! Who orders: a customer or a guest, with the cart.

use crate::api::account::{Profile, SavedAddress};
use crate::api::cart::Cart;
use crate::api::{Problem, Result, Token};
use crate::fields::FormState;
use crate::visit::Visit;

/// Who orders.
pub(super) struct Buyer {
    /// The token of the customer, or of the guest.
    pub(super) token: Token,
    /// `None` for a guest, and while `customer` is down. Then everything is typed.
    pub(super) profile: Option<Profile>,
    pub(super) cart: Cart,
    /// Whether nothing is sent in a parcel, so that the order has a billing address only.
    pub(super) is_digital: bool,
}

impl Buyer {
    /// Returns the visitor as a buyer; `None` without a cart.
    pub(super) async fn of(visit: &Visit<'_>) -> Result<Option<Self>> {
        let customer = visit.session.access_token(visit.api).await?;
        let Some(token) = customer.clone().or_else(|| visit.session.guest_token()) else { return Ok(None) };
        let profile = async {
            let Some(customer) = &customer else { return Ok(None) };
            match visit.api.profile(customer).await {
                Err(problem @ Problem::Unavailable) => {
                    tracing::info!(%problem, "a checkout goes on without the account");
                    Ok(None)
                }
                profile => profile.map(Some),
            }
        };
        let (cart, profile) = tokio::join!(visit.api.cart(&token), profile);
        let cart = cart?;
        Ok(Some(Self { token, profile: profile?, is_digital: !cart.items.is_empty() && cart.is_digital(), cart }))
    }

    /// Returns the saved address that is chosen; `None` when another one is typed.
    pub(super) fn chosen_address(&self, state: &FormState) -> Option<&SavedAddress> {
        self.profile.as_ref()?.address(state.value("address_id"))
    }

    /// Returns the saved addresses.
    pub(super) fn addresses(&self) -> &[SavedAddress] {
        self.profile.as_ref().map_or(&[], |profile| &profile.addresses)
    }
}
