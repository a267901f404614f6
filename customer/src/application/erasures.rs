//! Erasures: a saga with a receipt.
//!
//! One commit replaces the account by a tombstone, stores the receipt and a last notice to the
//! customer, and publishes `customer.deleted`. Each service then erases its data and reports it;
//! this service publishes the event again until all services have reported.

use std::time::Duration;

use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_store::Events;
use souk_types::{Error, Network, Result, Timestamp};

use super::credentials::{self, FreshProof};
use super::{accounts, mails, sessions, staff};
use crate::app::App;
use crate::domain::account::account_deleted;
use crate::domain::erasure::{ErasureId, ErasureReceipt, Service};
use crate::domain::mail::Mail;

/// How long a request waits until its receipt is complete. Running services need far less.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which a waiting request reads its receipt, because another instance may handle the
/// reports.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Erases the account of a customer who presents a fresh proof of identity. Errors: those of
/// [`credentials::confirm_fresh`]; `last-admin`.
pub(crate) async fn delete_account(
    app: &App,
    customer: CustomerId,
    proof: FreshProof,
    network: Network,
) -> Result<ErasureReceipt> {
    credentials::confirm_fresh(app, &accounts::get(app, customer).await?, proof, network).await?;
    erase(app, customer).await
}

/// Erases an account: here at once, and in the other services when they handle the event. Returns
/// the receipt as it is after at most two seconds. Errors: `last-admin`.
pub(crate) async fn erase(app: &App, customer: CustomerId) -> Result<ErasureReceipt> {
    let now = Timestamp::now();
    let receipt = ErasureReceipt::new(customer, now)?;
    let new = &receipt;
    app.database
        .run(|tx| async move {
            let mut account = app.accounts.get_in(&tx, customer).await?.ok_or_else(account_deleted)?;
            let profile = account.profile_mut()?;
            staff::keep_an_admin(&app.accounts, &tx, profile).await?;
            let notice = Mail::account_erased(profile, now);
            account.erase(now)?;
            app.accounts.put_in(&tx, &account).await?;
            app.mails.put_in(&tx, &notice).await?;
            app.erasures.put_in(&tx, new).await?;
            tx.publish(&CustomerDeleted { id: customer }).map(drop)
        })
        .await?;
    if let Err(error) = erase_rest(app, receipt.id(), customer).await {
        // The account is erased. The receipt stays incomplete until a reminder erases the rest.
        tracing::warn!(%customer, %error, "sessions of an erased account remain until the next reminder");
    }
    Ok(wait_for_completion(app, receipt).await)
}

/// Erases the sessions and the mails, and the deleted text that is left in the database's files.
async fn erase_rest(app: &App, id: ErasureId, customer: CustomerId) -> Result<()> {
    sessions::end_all(app, customer).await?;
    mails::erase(app, customer).await?;
    app.database.secure_delete().await?;
    let record = |receipt: &mut ErasureReceipt, _: &mut Events| {
        receipt.record(Service::Customer, Timestamp::now());
        Ok(())
    };
    app.erasures.update(id, record).await?;
    app.erasure_progress.notify_waiters();
    Ok(())
}

/// Waits until the receipt is complete, so that normally every service refuses the customer's
/// access token when the client gets its response. Returns an incomplete receipt after the timeout.
async fn wait_for_completion(app: &App, mut receipt: ErasureReceipt) -> ErasureReceipt {
    let complete = async {
        while !receipt.is_complete() {
            let progress = app.erasure_progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            match app.erasures.get(receipt.id()).await {
                Ok(Some(found)) => receipt = found,
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "an erasure receipt cannot be read"),
            }
            if !receipt.is_complete() {
                // The loop reads the receipt again after a notification and after the interval.
                let _ = tokio::time::timeout(POLL_INTERVAL, progress).await;
            }
        }
    };
    // After the timeout, the client reads the receipt by its id.
    let _ = tokio::time::timeout(COMPLETION_TIMEOUT, complete).await;
    receipt
}

pub(crate) async fn get(app: &App, id: ErasureId) -> Result<ErasureReceipt> {
    app.erasures.get(id).await?.ok_or_else(|| Error::not_found("erasure"))
}

pub(crate) async fn acknowledge<E>(
    app: &App,
    delivery: &Delivery<E>,
    customer: CustomerId,
    service: Service,
) -> Result<()> {
    // A complete receipt has no customer: the service has reported before.
    let Some(receipt) = app.erasures.by_customer(customer).await? else { return Ok(()) };
    let id = receipt.id();
    app.database
        .handle_once(delivery, |tx| async move {
            let Some(mut receipt) = app.erasures.get_in(&tx, id).await? else { return Ok(()) };
            receipt.record(service, Timestamp::now());
            app.erasures.put_in(&tx, &receipt).await
        })
        .await?;
    app.erasure_progress.notify_waiters();
    Ok(())
}

/// Publishes `customer.deleted` again, and finishes the erasure here when it is unfinished.
pub(crate) async fn remind(app: &App, id: ErasureId, now: Timestamp) -> Result<()> {
    let remind = move |receipt: &mut ErasureReceipt, events: &mut Events| {
        // `None`: another instance has reminded, or the receipt has just become complete.
        let Some(customer) = receipt.remind(now) else { return Ok(None) };
        events.publish(&CustomerDeleted { id: customer })?;
        Ok(Some(customer).filter(|_| !receipt.is_erased_by(Service::Customer)))
    };
    match app.erasures.update(id, remind).await? {
        Some(customer) => erase_rest(app, id, customer).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use souk_bus::Bus;
    use souk_contract::{mail, products, shopping};
    use souk_store::{Database, Durability, outbox};
    use souk_types::ErrorKind;
    use tempfile::TempDir;

    use super::*;
    use crate::application::accounts;
    use crate::domain::device::Device;
    use crate::domain::session::Proof;
    use crate::jobs;
    use crate::testing::{ana, home, new_account, start_on};

    /// Starts fakes of the other services. `shopping` ignores the first `ignored` deletions.
    /// Returns the number of deletions that `shopping` has received.
    fn start_other_services(bus: &Bus, directory: &TempDir, ignored: u32) -> Arc<AtomicU32> {
        let database = |name| {
            let file = directory.path().join(format!("{name}.db"));
            let database = Database::sqlite(name, &file, Durability::Process).unwrap();
            outbox::relay(database.clone(), bus.clone());
            database
        };
        for service in ["mail", "products", "shopping"] {
            bus.publishes_events_of(service);
        }
        let (mails, catalogue, orders) = (database("mail"), database("products"), database("shopping"));
        bus.subscribe("mail", move |Delivery { event: CustomerDeleted { id }, .. }| {
            let mails = mails.clone();
            async move { mails.run(|tx| async move { tx.publish(&mail::CustomerErased { id }) }).await.map(drop) }
        });
        bus.subscribe("products", move |Delivery { event: CustomerDeleted { id }, .. }| {
            let catalogue = catalogue.clone();
            async move { catalogue.run(|tx| async move { tx.publish(&products::CustomerErased { id }) }).await.map(drop) }
        });
        let received = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&received);
        bus.subscribe("shopping", move |Delivery { event: CustomerDeleted { id }, .. }| {
            let (orders, nth) = (orders.clone(), counter.fetch_add(1, Ordering::SeqCst));
            async move {
                if nth < ignored {
                    return Ok(());
                }
                orders.run(|tx| async move { tx.publish(&shopping::CustomerErased { id }) }).await.map(drop)
            }
        });
        received
    }

    fn start(ignored: u32) -> (App, TempDir, Arc<AtomicU32>) {
        let (bus, directory) = (Bus::local(), tempfile::tempdir().unwrap());
        let received = start_other_services(&bus, &directory, ignored);
        (start_on(&bus, &directory), directory, received)
    }

    #[tokio::test]
    async fn an_erasure_removes_the_account_and_its_sessions() {
        let (app, _directory, _) = start(0);
        let session = accounts::sign_up(&app, new_account("ana@example.com"), home()).await.unwrap();
        let id = session.customer;
        let receipt = erase(&app, id).await.unwrap();
        assert!(app.accounts.get(id).await.unwrap().is_none());
        assert!(app.sessions.by_customer(id).await.unwrap().is_empty());
        let stored = serde_json::to_string(&app.erasures.get(receipt.id()).await.unwrap()).unwrap();
        assert!(!stored.contains(&id.to_string()), "{stored}");
        let refused = |error: Option<Error>| error.is_some_and(|error| error.kind() == ErrorKind::Unauthenticated);
        assert!(refused(accounts::get(&app, id).await.err()), "the access token is refused");
        assert!(refused(sessions::refresh(&app, Some(session.refresh_token), home()).await.err()));
        assert!(refused(erase(&app, id).await.err()), "an account is erased once");
        assert!(accounts::sign_up(&app, new_account("ana@example.com"), home()).await.is_ok(), "the address is free");
    }

    #[tokio::test]
    async fn the_receipt_is_complete_when_the_other_services_run() {
        let (app, _directory, received) = start(0);
        let receipt = erase(&app, ana(&app).await.id).await.unwrap();
        assert!(receipt.is_complete(), "{receipt:?}");
        assert_eq!(received.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_service_that_has_not_erased_is_reminded() {
        let (app, _directory, received) = start(1);
        let receipt = erase(&app, ana(&app).await.id).await.unwrap();
        assert!(receipt.is_erased_by(Service::Products) && !receipt.is_erased_by(Service::Shopping), "{receipt:?}");
        jobs::send_due_reminders(&app, Timestamp::now()).await.unwrap();
        assert_eq!(received.load(Ordering::SeqCst), 1, "no reminder is due");
        jobs::send_due_reminders(&app, receipt.requested_at().after(Duration::from_secs(10))).await.unwrap();
        let receipt = wait_for_completion(&app, app.erasures.get(receipt.id()).await.unwrap().unwrap()).await;
        assert!(receipt.is_complete(), "{receipt:?}");
        assert_eq!(received.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_erased_account_gets_no_session() {
        let (app, _directory, _) = start(0);
        let ana = ana(&app).await;
        erase(&app, ana.id).await.unwrap();
        let opened = sessions::open(&app, &ana, Device::default(), Proof::Password).await;
        assert!(opened.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated));
        assert!(app.sessions.by_customer(ana.id).await.unwrap().is_empty());
    }
}
