//! Sends a mail that is due: asks the owner of the data, renders, claims the mail, delivers, and
//! records the outcome.

use souk_contract::customer::{AccountMailReply, AccountMailSent, GetAccountMail};
use souk_contract::shopping::{GetOrderMail, GetShop, OrderMailReply};
use souk_types::{Result, Timestamp, failpoint};

use crate::app::App;
use crate::domain::content::Content;
use crate::domain::mail::{Mail, Source, Status};
use crate::domain::message::Message;
use crate::providers::outgoing::Failure;

pub(crate) async fn handle_due(app: &App, mail: Mail) -> Result<()> {
    match mail.status() {
        Status::Queued => send(app, mail).await,
        Status::Sent | Status::Failed | Status::Obsolete => expire(app, &mail).await,
    }
}

async fn send(app: &App, mail: Mail) -> Result<()> {
    let content = match ask(app, &mail).await {
        Ok(Some(content)) => content,
        Ok(None) => return mark_obsolete(app, &mail).await,
        Err(error) => {
            let reason = format!("its content is not available: {}", error.detail());
            return record_failure(app, &mail, Failure::transient(reason)).await;
        }
    };
    let rendered = match app.templates.render(&content) {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::error!(mail = %mail.id(), %error, "a template cannot be rendered");
            return record_failure(app, &mail, Failure::transient(error)).await;
        }
    };
    let (envelope, subject) = (content.envelope(), rendered.subject.as_str().to_owned());
    let (id, domain) = (mail.id(), app.sender.domain().to_owned());
    let claim = move |mail: &mut Mail| Ok(mail.claim(&envelope, &subject, &domain, Timestamp::now()));
    // Another instance sends it, or it was erased meanwhile.
    let Some(Some(mail)) = app.mails.update(id, claim).await? else { return Ok(()) };
    // The claim has stored the customer. An erasure that begins after this check finds the mail.
    if let Some(customer) = content.customer()
        && app.erased.contains(customer).await?
    {
        return app.mails.delete(id).await;
    }
    let message = Message::new(&mail, &content, rendered, &app.sender);
    match app.outgoing.deliver(&mail, &message).await {
        Ok(()) => {
            failpoint!("mail.delivered");
            record_success(app, &mail).await
        }
        Err(failure) => record_failure(app, &mail, failure).await,
    }
}

/// Returns `None` when nothing is to be sent.
async fn ask(app: &App, mail: &Mail) -> Result<Option<Content>> {
    match mail.source() {
        Source::Account { mail } => match app.bus.call(GetAccountMail { id: mail }).await? {
            AccountMailReply::Send { to, account, content } => {
                let shop = app.bus.call(GetShop {}).await?;
                Ok(Some(Content::of_account(to, account, content, shop, app.sender.links())))
            }
            AccountMailReply::Obsolete => Ok(None),
        },
        Source::Order { order, subject } => match app.bus.call(GetOrderMail { order, subject }).await? {
            OrderMailReply::Send(details) => {
                let shop = app.bus.call(GetShop {}).await?;
                Ok(Some(Content::of_order(order, subject, *details, shop, app.sender.links())))
            }
            OrderMailReply::Obsolete => Ok(None),
        },
    }
}

async fn mark_obsolete(app: &App, mail: &Mail) -> Result<()> {
    // An attempt before a crash may have written it.
    app.outgoing.discard(mail).await?;
    let mark = |mail: &mut Mail| {
        mail.mark_obsolete();
        Ok(())
    };
    app.mails.update(mail.id(), mark).await.map(drop)
}

async fn record_success(app: &App, mail: &Mail) -> Result<()> {
    let recorded = app.mails.update(mail.id(), |mail| {
        mail.record_sent(Timestamp::now());
        Ok(())
    });
    match recorded.await? {
        Some(()) => {
            tracing::info!(mail = %mail.id(), "a mail was sent");
            report_sent(app, mail).await;
            Ok(())
        }
        // The customer was erased while the mail was written.
        None => app.outgoing.discard(mail).await,
    }
}

/// Lets `customer` delete a notice, and with it the recipient. Without the report, `customer`
/// deletes it after a day.
async fn report_sent(app: &App, mail: &Mail) {
    if let Source::Account { mail: id } = mail.source()
        && let Err(error) = app.bus.call(AccountMailSent { id }).await
    {
        tracing::warn!(mail = %mail.id(), %error, "the report of a sent mail did not reach customer");
    }
}

async fn record_failure(app: &App, mail: &Mail, failure: Failure) -> Result<()> {
    let (reason, attempt) = (failure.summary.clone(), mail.attempts());
    let record = move |mail: &mut Mail| {
        let error = if mail.hides_recipient() { &failure.summary } else { &failure.detail };
        Ok(mail.record_failure(attempt, error, failure.is_permanent, Timestamp::now()))
    };
    match app.mails.update(mail.id(), record).await? {
        Some(Status::Failed) => {
            tracing::warn!(mail = %mail.id(), reason, "a mail was not accepted; see souk mail list");
        }
        Some(_) => tracing::warn!(mail = %mail.id(), reason, "a mail was not sent and is tried again"),
        None => app.outgoing.discard(mail).await?,
    }
    Ok(())
}

/// Removes the recipient and the content of a mail that was sent or has failed long ago.
async fn expire(app: &App, mail: &Mail) -> Result<()> {
    app.outgoing.discard(mail).await?;
    let expire = |mail: &mut Mail| {
        mail.expire(Timestamp::now());
        Ok(())
    };
    app.mails.update(mail.id(), expire).await.map(drop)
}
