//! An attempt to send a mail: asks the owner of the data, renders, delivers, and records the
//! outcome.

use souk_contract::customer::{AccountMailReply, AccountMailSent, CustomerId, GetAccountMail};
use souk_contract::shopping::{GetOrderMail, GetShop, OrderMailReply};
use souk_types::{Result, Timestamp, failpoint};

use crate::app::App;
use crate::domain::content::{Content, Envelope};
use crate::domain::mail::{Failure, Mail, Source, Status};
use crate::domain::message::Message;

pub(crate) async fn handle_due(app: &App, mail: Mail) -> Result<()> {
    match mail.status() {
        Status::Queued => {
            let begin = |mail: &mut Mail| Ok(mail.begin_attempt(Timestamp::now()));
            match app.mails.update(mail.id(), begin).await? {
                Some(Some(mail)) => attempt(app, mail).await,
                // Another instance sends it, or it was erased meanwhile.
                Some(None) | None => Ok(()),
            }
        }
        Status::Sent | Status::Failed | Status::Obsolete => expire(app, &mail).await,
    }
}

/// Makes the attempt that has begun with the stored mail.
pub(crate) async fn attempt(app: &App, mail: Mail) -> Result<()> {
    let content = match fetch_content(app, &mail).await {
        Ok(Some(content)) => content,
        Ok(None) => return mark_obsolete(app, &mail).await,
        Err(error) => {
            let reason = format!("its content is not available: {}", error.detail());
            return record_failure(app, &mail, None, Failure::transient(reason)).await;
        }
    };
    let rendered = match app.templates.render(&content) {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::error!(mail = %mail.id(), %error, "a template cannot be rendered");
            return record_failure(app, &mail, None, Failure::transient(error)).await;
        }
    };
    let envelope = content.envelope(rendered.subject.as_str().to_owned());
    let message = Message::new(&mail, &content, rendered, &app.sender);
    match app.transport.deliver(&mail, &message).await {
        Ok(()) => {
            failpoint!("mail.delivered");
            record_success(app, &mail, envelope).await
        }
        Err(failure) => record_failure(app, &mail, Some(envelope), failure).await,
    }
}

/// Fetches recipient and content from the owner of the data. Returns `None` when nothing is to be
/// sent.
async fn fetch_content(app: &App, mail: &Mail) -> Result<Option<Content>> {
    match mail.source() {
        Source::Account { mail } => match app.bus.call(GetAccountMail { id: mail }).await? {
            AccountMailReply::Send { to, account, language, content } => {
                let shop = app.bus.call(GetShop {}).await?;
                Ok(Some(Content::of_account(to, account, language, content, shop, app.sender.links())))
            }
            AccountMailReply::Obsolete => Ok(None),
        },
        Source::Order { order, subject } => match app.bus.call(GetOrderMail { order, subject }).await? {
            OrderMailReply::Send(details) => Ok(Some(Content::of_order(order, subject, *details, app.sender.links()))),
            OrderMailReply::Obsolete => Ok(None),
        },
    }
}

async fn mark_obsolete(app: &App, mail: &Mail) -> Result<()> {
    // An attempt before a crash may have written it.
    app.transport.discard(mail).await?;
    let mark = |mail: &mut Mail| {
        mail.mark_obsolete();
        Ok(())
    };
    app.mails.update(mail.id(), mark).await.map(drop)
}

async fn record_success(app: &App, mail: &Mail, envelope: Envelope) -> Result<()> {
    let customer = envelope.customer;
    let record = move |mail: &mut Mail| {
        mail.record_sent(&envelope, Timestamp::now());
        Ok(())
    };
    if record_outcome(app, mail, customer, record).await?.is_some() {
        tracing::info!(mail = %mail.id(), "a mail was sent");
        report_sent(app, mail).await;
    }
    Ok(())
}

/// Stores the outcome of an attempt. Returns `None` when the customer was erased meanwhile: then
/// nothing of the mail is left.
async fn record_outcome<R: Send + 'static>(
    app: &App,
    mail: &Mail,
    customer: Option<CustomerId>,
    rule: impl FnMut(&mut Mail) -> Result<R> + Send + 'static,
) -> Result<Option<R>> {
    let mut recorded = app.mails.update(mail.id(), rule).await?;
    // The mail names its customer now. An erasure that begins after this check finds it.
    if let Some(customer) = customer.filter(|_| recorded.is_some())
        && app.erased.contains(customer).await?
    {
        app.mails.delete(mail.id()).await?;
        recorded = None;
    }
    if recorded.is_none() {
        app.transport.discard(mail).await?;
    }
    Ok(recorded)
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

async fn record_failure(app: &App, mail: &Mail, envelope: Option<Envelope>, failure: Failure) -> Result<()> {
    let (reason, attempt) = (failure.summary.clone(), mail.attempts());
    let customer = envelope.as_ref().and_then(|envelope| envelope.customer);
    let record = move |mail: &mut Mail| Ok(mail.record_failure(attempt, envelope.as_ref(), &failure, Timestamp::now()));
    match record_outcome(app, mail, customer, record).await? {
        Some(Status::Failed) => {
            tracing::warn!(mail = %mail.id(), reason, "a mail was not accepted; see souk mail list");
        }
        Some(_) => tracing::warn!(mail = %mail.id(), reason, "a mail was not sent and is tried again"),
        None => {}
    }
    Ok(())
}

/// Removes the recipient and the content of a mail that was sent or has failed long ago.
async fn expire(app: &App, mail: &Mail) -> Result<()> {
    app.transport.discard(mail).await?;
    let expire = |mail: &mut Mail| {
        mail.expire(Timestamp::now());
        Ok(())
    };
    app.mails.update(mail.id(), expire).await.map(drop)
}
