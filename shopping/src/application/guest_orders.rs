//! Orders that guests placed with the e-mail address of an account.

use souk_contract::customer::{Contact, CustomerId, GetContact};
use souk_types::Result;

use super::erasure;
use crate::App;
use crate::domain::order::Order;

/// Moves the orders of guests with the account's verified e-mail address into the account. It can
/// be repeated: a moved order is not found again.
pub(crate) async fn move_to_account(app: &App, account: CustomerId) -> Result<()> {
    let contact = app.bus.call(GetContact { account, address: None }).await?;
    let Contact::Open { email, is_verified: true, .. } = contact else { return Ok(()) };
    let mut has_moved = false;
    loop {
        let orders = app.store.orders.of_guests(&email).await?;
        if orders.is_empty() {
            break;
        }
        has_moved = true;
        for order in orders {
            let email = email.clone();
            let move_to_account = move |order: &mut Order, _: &mut _| {
                order.move_to_account(account, &email);
                Ok(())
            };
            app.store.orders.update(order.id, move_to_account).await?;
        }
    }
    // The account may have been deleted and erased meanwhile.
    if has_moved && matches!(app.bus.call(GetContact { account, address: None }).await?, Contact::Closed) {
        erasure::erase_orders(app, account).await?;
    }
    Ok(())
}
