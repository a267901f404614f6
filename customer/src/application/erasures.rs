//! Being forgotten: a saga with a receipt. The account becomes a tombstone and the receipt begins in one commit, which also tells the
//! other services. Each of them says when it has erased all that it had, and is asked again until it has; so is this one. Whoever
//! knows the receipt's id may see it, because nobody can sign in to the account any more.

use std::time::Duration;

use rocket::futures::future::join_all;
use serde::{Deserialize, Serialize};
use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_store::sweep;
use souk_types::{Error, Id, Result, Timestamp};

use crate::App;
use crate::application::accounts::closed;
use crate::application::sessions as session;

/// The id of a receipt, which nobody can guess: to know it is to be allowed to see it.
pub(crate) type ErasureId = Id<Receipt>;

/// What has become of an erasure so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: ErasureId,
    /// Whose, for as long as somebody may have to be asked again. A receipt that is complete leads to nobody.
    customer: Option<CustomerId>,
    requested_at: Timestamp,
    completed_at: Option<Timestamp>,
    services: Services,
    /// How often the others were told, after the first time.
    reminders: u32,
    /// When they are told once more, unless it is complete by then.
    due: Option<Timestamp>,
}

/// When each service had erased what it had.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Services {
    customer: Option<Timestamp>,
    products: Option<Timestamp>,
    shopping: Option<Timestamp>,
}

/// Who keeps something about customers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    Customer,
    Products,
    Shopping,
}

/// The others are told again after this, then after twice as long, ...
const FIRST_REMINDER: Duration = Duration::from_secs(10);
/// ... but at least this often.
const REMINDER_EVERY: Duration = Duration::from_mins(10);

impl Receipt {
    fn of(customer: CustomerId, now: Timestamp) -> Result<Self> {
        Ok(Self {
            id: Id::random()?,
            customer: Some(customer),
            requested_at: now,
            completed_at: None,
            services: Services::default(),
            reminders: 0,
            due: Some(now.after(FIRST_REMINDER)),
        })
    }

    fn is_complete(&self) -> bool {
        self.completed_at.is_some()
    }

    /// A service has erased what it had. That it says so again, because it was asked again, changes nothing.
    fn erased(&mut self, by: Service, now: Timestamp) {
        let services = &mut self.services;
        let erased = match by {
            Service::Customer => &mut services.customer,
            Service::Products => &mut services.products,
            Service::Shopping => &mut services.shopping,
        };
        erased.get_or_insert(now);
        let all = [services.customer, services.products, services.shopping];
        if !self.is_complete() && all.iter().all(Option::is_some) {
            (self.customer, self.completed_at, self.due) = (None, Some(now), None);
        }
    }

    /// Whether the others are to be told again by `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Whose deletion is to be announced again, if it is time; the next time is later then.
    fn remind(&mut self, now: Timestamp) -> Option<CustomerId> {
        let customer = self.customer.filter(|_| self.is_due(now))?;
        self.reminders += 1;
        let pause = FIRST_REMINDER.saturating_mul(1 << self.reminders.min(16)).min(REMINDER_EVERY);
        self.due = Some(now.after(pause));
        Some(customer)
    }
}

/// A receipt as anybody may see it who knows its id: nothing in it is about a person.
#[derive(Debug, Serialize)]
pub(crate) struct ReceiptView {
    pub(crate) id: ErasureId,
    requested_at: Timestamp,
    completed_at: Option<Timestamp>,
    services: Services,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        let Receipt { id, requested_at, completed_at, services, .. } = receipt;
        Self { id, requested_at, completed_at, services }
    }
}

/// A service that is up has erased long before; nobody should wait for one that is down.
const COMPLETE_WITHIN: Duration = Duration::from_secs(2);
/// Without a nudge, the receipt is looked at this often: another instance may have heard.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Erases an account: here at once, and in every other service as soon as it hears of it. The receipt is complete when all of them
/// were there.
pub(crate) async fn erase(app: &App, customer: CustomerId) -> Result<ReceiptView> {
    let now = Timestamp::now();
    let receipt = Receipt::of(customer, now)?;
    let begun = &receipt;
    app.database
        .run(|tx| async move {
            let mut account = tx.get(&app.accounts.0, customer).await?.ok_or_else(closed)?;
            account.erase(now)?;
            tx.put(&app.accounts.0, customer, &account).await?;
            tx.put(&app.erasures.0, begun.id, begun).await?;
            tx.publish(&CustomerDeleted { id: customer }).map(drop)
        })
        .await?;
    if let Err(error) = erase_here(app, receipt.id, customer).await {
        // The person is forgotten all the same, and the receipt says what is missing.
        tracing::warn!(%customer, %error, "what is left of an erased account is left to the sweeper");
    }
    Ok(complete_in_time(app, receipt).await.into())
}

/// Erases what is left here once the account is gone: its sessions, and what the database's files still hold of it.
async fn erase_here(app: &App, id: ErasureId, customer: CustomerId) -> Result<()> {
    session::end_all(app, customer).await?;
    app.database.secure_delete().await?;
    let erased = |receipt: &mut Receipt, _: &mut _| {
        receipt.erased(Service::Customer, Timestamp::now());
        Ok(())
    };
    app.erasures.0.update(id, erased).await?;
    app.acknowledged.notify_waiters();
    Ok(())
}

/// The receipt when it is complete, or as it is when that takes too long: so the old token is normally dead in every service when the
/// client reads the answer, and where it is not, the receipt says so.
async fn complete_in_time(app: &App, mut receipt: Receipt) -> Receipt {
    let complete = async {
        while !receipt.is_complete() {
            let change = app.acknowledged.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            match app.erasures.0.get(receipt.id).await {
                Ok(Some(found)) => receipt = found,
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "a receipt cannot be read now"),
            }
            if !receipt.is_complete() {
                // Whether it was the nudge or the time makes no difference.
                let _ = tokio::time::timeout(LOOK_AGAIN, change).await;
            }
        }
    };
    // What is not there in time is on the receipt later.
    let _ = tokio::time::timeout(COMPLETE_WITHIN, complete).await;
    receipt
}

/// The receipt of this id.
pub(crate) async fn see(app: &App, id: ErasureId) -> Result<ReceiptView> {
    let receipt = app.erasures.0.get(id).await?.ok_or_else(|| Error::not_found("erasure"))?;
    Ok(receipt.into())
}

/// A service says that it has erased what it had about somebody.
pub(crate) async fn acknowledge<E>(app: &App, delivery: &Delivery<E>, customer: CustomerId, by: Service) -> Result<()> {
    // Without one, the receipt is complete: it has said so before.
    let Some(Receipt { id, .. }) = app.erasures.of(customer).await? else { return Ok(()) };
    app.database
        .handle_once(delivery, |tx| async move {
            let Some(mut receipt) = tx.get(&app.erasures.0, id).await? else { return Ok(()) };
            receipt.erased(by, Timestamp::now());
            tx.put(&app.erasures.0, id, &receipt).await
        })
        .await?;
    app.acknowledged.notify_waiters();
    Ok(())
}

/// How often the sweeper looks. It costs one look-up in an index.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Those whose account has just been erased here may wait for the disk; others go on meanwhile.
const SWEPT_TOGETHER: usize = 16;

/// Asks again for what is missing on receipts, until the process ends.
pub(crate) fn sweep(app: App) {
    sweep::sweep(SWEEP_EVERY, "erasures could not be swept", move || {
        let app = app.clone();
        async move { sweep_once(&app, Timestamp::now()).await }
    });
}

async fn sweep_once(app: &App, now: Timestamp) -> Result<()> {
    let mut after = None;
    loop {
        let due = app.erasures.due(now, after).await?;
        for some in due.items.chunks(SWEPT_TOGETHER) {
            let outcomes = join_all(some.iter().map(|receipt| ask_again(app, receipt, now))).await;
            // One that fails now must not keep the others waiting.
            for error in outcomes.into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "an erasure is left for the next sweep");
            }
        }
        after = due.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Tells the others once more, and does here what is not done.
async fn ask_again(app: &App, receipt: &Receipt, now: Timestamp) -> Result<()> {
    let remind = move |receipt: &mut Receipt, events: &mut souk_store::Events| {
        // Another instance sweeps too, and the last acknowledgement may just have come.
        let Some(customer) = receipt.remind(now) else { return Ok(None) };
        events.publish(&CustomerDeleted { id: customer })?;
        Ok(Some(customer).filter(|_| receipt.services.customer.is_none()))
    };
    match app.erasures.0.update(receipt.id, remind).await? {
        Some(customer) => erase_here(app, receipt.id, customer).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use souk_bus::Bus;
    use souk_contract::{products, shopping};
    use souk_store::outbox;
    use souk_store::{Database, Durability};
    use souk_types::ErrorKind;
    use tempfile::TempDir;

    use super::*;
    use crate::application::{accounts as account, sign_up as signup};
    use crate::testing::{ana, new_account, start_on};

    const ALL: [Service; 3] = [Service::Customer, Service::Products, Service::Shopping];

    fn receipt(now: Timestamp) -> Receipt {
        Receipt::of(CustomerId::new(), now).unwrap()
    }

    #[test]
    fn a_receipt_is_complete_when_all_have_erased_in_whatever_order() {
        let now = Timestamp::now();
        let later = now.after(Duration::from_secs(1));
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut receipt = receipt(now);
            for (done, which) in order.into_iter().enumerate() {
                assert!(!receipt.is_complete() && receipt.customer.is_some(), "{order:?}");
                receipt.erased(ALL[which], now);
                receipt.erased(ALL[which], later);
                assert_eq!(receipt.is_complete(), done == 2, "{order:?}");
            }
            receipt.erased(Service::Products, later);
            assert_eq!((receipt.completed_at, receipt.services.products), (Some(now), Some(now)), "the first counts");
            assert_eq!((receipt.customer, receipt.due), (None, None), "nothing leads to the account any more");
        }
    }

    #[test]
    fn reminders_come_after_10_seconds_then_less_and_less_often() {
        let mut now = Timestamp::now();
        let mut receipt = receipt(now);
        for seconds in [10, 20, 40, 80, 160, 320, 600, 600] {
            let due = now.after(Duration::from_secs(seconds));
            assert_eq!(receipt.remind(due.before(Duration::from_millis(1))), None, "{seconds}");
            assert_eq!(receipt.remind(due), receipt.customer, "{seconds}");
            assert_eq!(receipt.remind(due), None, "another instance looks at the same time");
            now = due;
        }
        for service in ALL {
            receipt.erased(service, now);
        }
        assert_eq!(receipt.remind(now.after(Duration::from_hours(1))), None);
    }

    /// The other services, which hear of a deletion so often before they say that they have erased.
    fn others(bus: &Bus, directory: &TempDir, deaf_for: u32) -> Arc<AtomicU32> {
        let database = |name| {
            let file = directory.path().join(format!("{name}.db"));
            let database = Database::sqlite(name, &file, Durability::Process).unwrap();
            outbox::relay(database.clone(), bus.clone());
            database
        };
        let (catalogue, orders) = (database("products"), database("shopping"));
        bus.subscribe("products", move |Delivery { event: CustomerDeleted { id }, .. }| {
            let catalogue = catalogue.clone();
            async move { catalogue.run(|tx| async move { tx.publish(&products::CustomerErased { id }) }).await.map(drop) }
        });
        let heard = Arc::new(AtomicU32::new(0));
        let counting = Arc::clone(&heard);
        bus.subscribe("shopping", move |Delivery { event: CustomerDeleted { id }, .. }| {
            let (orders, nth) = (orders.clone(), counting.fetch_add(1, Ordering::SeqCst));
            async move {
                if nth < deaf_for {
                    return Ok(());
                }
                orders.run(|tx| async move { tx.publish(&shopping::CustomerErased { id }) }).await.map(drop)
            }
        });
        heard
    }

    fn start_with_others(deaf_for: u32) -> (App, TempDir, Arc<AtomicU32>) {
        let (bus, directory) = (Bus::local(), tempfile::tempdir().unwrap());
        let heard = others(&bus, &directory, deaf_for);
        (start_on(&bus, &directory), directory, heard)
    }

    #[tokio::test]
    async fn nothing_is_left_of_an_erased_account() {
        let (app, _directory, _) = start_with_others(0);
        let session = signup::sign_up(&app, new_account("ana@example.com")).await.unwrap();
        let session = serde_json::to_value(session).unwrap();
        let id = app.verifier.verify(session["token"].as_str().unwrap()).await.unwrap().id;
        let receipt = erase(&app, id).await.unwrap();
        let kept = serde_json::to_value(app.accounts.0.get(id).await.unwrap().unwrap()).unwrap();
        let fields: Vec<&String> = kept.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["erased_at", "id", "state"]);
        assert!(app.sessions.of(id).await.unwrap().is_empty());
        let kept = serde_json::to_string(&app.erasures.0.get(receipt.id).await.unwrap()).unwrap();
        assert!(!kept.contains(&id.to_string()), "{kept}");
        let refused = |error: Option<Error>| error.is_some_and(|error| error.kind() == ErrorKind::Unauthenticated);
        assert!(refused(account::get(&app, id).await.err()), "the access token is good for nothing");
        assert!(refused(session::refresh(&app, session["refresh_token"].as_str().unwrap()).await.err()));
        assert!(refused(erase(&app, id).await.err()), "nor is it erased twice");
        assert!(signup::sign_up(&app, new_account("ana@example.com")).await.is_ok(), "the address is free");
    }

    #[tokio::test]
    async fn others_have_erased_when_an_erasure_is_answered() {
        let (app, _directory, heard) = start_with_others(0);
        let receipt = erase(&app, ana(&app).await.id).await.unwrap();
        assert!(receipt.completed_at.is_some(), "{receipt:?}");
        assert_eq!(heard.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn who_has_not_erased_is_asked_again_and_the_receipt_says_so() {
        let (app, _directory, heard) = start_with_others(1);
        let receipt = erase(&app, ana(&app).await.id).await.unwrap();
        assert!(receipt.services.products.is_some() && receipt.services.shopping.is_none(), "{receipt:?}");
        sweep_once(&app, Timestamp::now()).await.unwrap();
        assert_eq!(heard.load(Ordering::SeqCst), 1, "it is not yet time");
        sweep_once(&app, receipt.requested_at.after(FIRST_REMINDER)).await.unwrap();
        let receipt = complete_in_time(&app, app.erasures.0.get(receipt.id).await.unwrap().unwrap()).await;
        assert!(receipt.is_complete(), "{receipt:?}");
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_session_that_is_opened_meanwhile_is_not_kept() {
        let (app, _directory, _) = start_with_others(0);
        let ana = ana(&app).await;
        erase(&app, ana.id).await.unwrap();
        assert!(session::open(&app, &ana).await.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated));
        assert!(app.sessions.of(ana.id).await.unwrap().is_empty());
    }
}
