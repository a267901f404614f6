//! Looks after orders whose checkout died, payments that nobody heard of, and money and goods that were not given back.

use std::time::Duration;

use rocket::futures::future::join_all;
use souk_store::sweep;
use souk_types::{Result, Timestamp};

use crate::App;
use crate::application::checkout::{carry_on, notice};
use crate::domain::order::Turn;

/// How often the sweeper looks. It costs one look-up in each of two indexes.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// One of them may wait for a call to time out; others go on meanwhile.
const SWEPT_TOGETHER: usize = 16;

/// Sweeps until the process ends.
pub(crate) fn sweep(app: App) {
    let bank = app.clone();
    sweep::sweep(SWEEP_EVERY, "orders could not be swept", move || {
        let app = app.clone();
        async move { sweep_once(&app).await }
    });
    sweep::sweep(SWEEP_EVERY, "the demo bank's notices could not be given", move || {
        let app = bank.clone();
        async move { tell(&app).await }
    });
}

async fn sweep_once(app: &App) -> Result<()> {
    let (now, mut after) = (Timestamp::now(), None);
    loop {
        let due = app.orders.due(now, after).await?;
        for some in due.items.chunks(SWEPT_TOGETHER) {
            let outcomes = join_all(some.iter().map(|order| carry_on(app, order.clone(), Turn::Sweeper))).await;
            // One that cannot be resolved now must not keep the others waiting.
            for (order, error) in some.iter().zip(outcomes).filter_map(|(one, outcome)| Some((one, outcome.err()?))) {
                tracing::warn!(order = %order.id, %error, "an order is left for a later sweep");
            }
        }
        after = due.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Gives the demo bank's notices: a real bank would call us.
async fn tell(app: &App) -> Result<()> {
    for (order, notices) in app.payments.bank.due(Timestamp::now()).await? {
        for news in notices {
            notice(app, news).await?;
        }
        app.payments.bank.told(order).await?;
    }
    Ok(())
}
