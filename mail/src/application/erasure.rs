//! Erases the mails of a deleted account. The notice of the erasure itself is not one of them: it
//! is stored without its customer and recipient.

use souk_contract::customer::CustomerId;
use souk_contract::mail::CustomerErased;
use souk_types::Result;

use crate::app::App;

/// Publishes `CustomerErased` at the end. After an interruption, it can be repeated.
pub(crate) async fn erase(app: &App, customer: CustomerId) -> Result<()> {
    // First, so that a mail that is about to be sent sees it (`deliveries`).
    app.erased.add(customer).await?;
    loop {
        let mails = app.mails.of_customer(customer).await?;
        if mails.is_empty() {
            break;
        }
        for mail in mails {
            app.transport.discard(&mail).await?;
            app.mails.delete(mail.id()).await?;
        }
    }
    app.database.secure_delete().await?;
    app.database.run(|tx| async move { tx.publish(&CustomerErased { id: customer }) }).await.map(drop)
}
