//! Quotes: what a cart costs, for a customer or a guest.

use souk_contract::customer::CustomerId;
use souk_types::{Network, Result, Timestamp};

use super::cart::{self, CartOwner};
use super::catalogue;
use super::discounts::{self, DiscountUser};
use crate::App;
use crate::domain::discount::{Discount, DiscountId, DiscountRefusal};
use crate::domain::order::Order;
use crate::domain::quote::{self, Item, Quote, QuoteInput, QuoteRequest};
use crate::domain::settings::ReverseCharge;
use crate::domain::shop::ShopConfig;
use crate::domain::tax::VatCheck;

/// Returns the price of the products in the cart that are for sale. Errors: those of [`of_items`]
/// and [`count_vat_number`]; `unavailable` while `products` is down.
pub(crate) async fn of_cart(app: &App, owner: CartOwner, network: Network, request: QuoteRequest) -> Result<Quote> {
    count_vat_number(app, network, &request)?;
    let cart = cart::load(app, owner).await?;
    let catalogue = catalogue::get(app, cart.product_ids()).await?;
    of_items(app, owner.customer(), request, cart.items_for_sale(&catalogue)).await
}

/// Counts a request that may look up a VAT number. Errors: `too-many-vat-numbers`.
pub(crate) fn count_vat_number(app: &App, network: Network, request: &QuoteRequest) -> Result<()> {
    if request.vat_number.is_some() { app.rate_limits.count_vat_check(network) } else { Ok(()) }
}

/// Returns the price of some products, for an account or a guest. Errors: those of
/// [`quote::quote`].
pub(crate) async fn of_items(
    app: &App,
    customer: Option<CustomerId>,
    request: QuoteRequest,
    items: Vec<Item>,
) -> Result<Quote> {
    let shop = app.shop().await?;
    let vat_check = check_vat_number(app, shop.settings.reverse_charge, &request).await?;
    let buyer = DiscountUser { customer, email: request.email.as_ref(), order: None };
    let exhausted = exhausted(app, &shop, buyer, &request).await?;
    let input = QuoteInput { items, request, has_account: customer.is_some(), vat_check, exhausted };
    quote::quote(&input, &shop, Timestamp::now())
}

/// Returns the price of the products of a stored order, whose VAT number is checked. Errors: those
/// of [`quote::quote`].
pub(crate) async fn of_order(app: &App, order: &Order, items: Vec<Item>) -> Result<Quote> {
    let (shop, buyer) = (app.shop().await?, DiscountUser::of(order));
    let request = order.buyer().request.clone();
    let exhausted = exhausted(app, &shop, buyer, &request).await?;
    let vat_check = order.quote().tax_basis.vat_number;
    let input = QuoteInput { items, request, has_account: buyer.customer.is_some(), vat_check, exhausted };
    quote::quote(&input, &shop, Timestamp::now())
}

async fn exhausted(
    app: &App,
    shop: &ShopConfig,
    buyer: DiscountUser<'_>,
    request: &QuoteRequest,
) -> Result<Vec<(DiscountId, DiscountRefusal)>> {
    let named: Vec<String> = request.codes.iter().map(super::super::domain::discount::Code::folded).collect();
    let is_wanted = |discount: &Discount| discount.folded_code.as_ref().is_none_or(|code| named.contains(code));
    discounts::exhausted(app, shop, buyer, is_wanted).await
}

/// Checks the VAT number of a request. While VIES does not answer, only the format is checked, so
/// that a business can order.
async fn check_vat_number(app: &App, check: ReverseCharge, request: &QuoteRequest) -> Result<Option<VatCheck>> {
    let Some(number) = &request.vat_number else { return Ok(None) };
    match check {
        ReverseCharge::Off => Ok(None),
        ReverseCharge::Format => Ok(Some(VatCheck::Format)),
        ReverseCharge::Vies => match app.vies.is_valid(number).await {
            Ok(true) => Ok(Some(VatCheck::Verified)),
            Ok(false) => Ok(Some(VatCheck::Invalid)),
            Err(error) if error.is_outage() => {
                tracing::warn!(%error, "VIES does not answer; the format of a VAT number is checked only");
                Ok(Some(VatCheck::Unverified))
            }
            Err(error) => Err(error),
        },
    }
}
