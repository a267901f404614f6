//! The recipient and the content of mails about orders, for the service `mail`.

use souk_contract::shopping::{GetOrderMail, OrderMailReply};
use souk_types::Result;

use crate::App;

/// Returns the mail as of now. It is obsolete when the order no longer is in the state that the
/// mail reports, or its customer is erased.
pub(crate) async fn get(app: &App, request: GetOrderMail) -> Result<OrderMailReply> {
    let Some(order) = app.store.orders.get(request.order).await? else { return Ok(OrderMailReply::Obsolete) };
    let key = if order.is_of_guest() { Some(app.guest_tokens.order_key(order.id).await?) } else { None };
    let shop = app.shop().await?.settings.public();
    Ok(order
        .mail(request.subject, key, shop)
        .map_or(OrderMailReply::Obsolete, |mail| OrderMailReply::Send(Box::new(mail))))
}
