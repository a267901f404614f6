//! Mails to account holders, which `mail` sends.

use souk_contract::customer::{AccountMailId, AccountMailReply, CustomerId};
use souk_types::{Network, Result, Timestamp};

use crate::app::App;
use crate::domain::account::Profile;
use crate::domain::mail::{self, Mail, MailToken, Purpose};

/// Returns the recipient and the content of a mail.
pub(crate) async fn reply(app: &App, id: AccountMailId, now: Timestamp) -> Result<AccountMailReply> {
    // A missing mail has expired, or its account is erased.
    let Some(mail) = app.mails.get(id).await? else { return Ok(AccountMailReply::Obsolete) };
    let profile = app.accounts.get(mail.account()).await?;
    Ok(mail.reply(profile.as_ref(), &app.mail_keys, now))
}

/// Returns the mail and the account of a token. `None` stands for malformed text.
///
/// Errors: `Invalid` for a token that this shop has not made for this purpose; `too-many-attempts`
/// when the network has sent many of them; `token-expired`; `token-used`.
pub(crate) async fn redeem(
    app: &App,
    token: Option<MailToken>,
    purpose: Purpose,
    network: Network,
) -> Result<(Mail, Profile)> {
    let Some(token) = token.filter(|token| token.is_for(purpose, &app.mail_keys)) else {
        app.attempts.count_refused_token(network)?;
        return Err(mail::wrong_token());
    };
    let mail = app.mails.get(token.mail()).await?.filter(|mail| !mail.is_expired(Timestamp::now()));
    let mail = mail.ok_or_else(mail::token_expired)?;
    let profile = app.accounts.get(mail.account()).await?.ok_or_else(mail::token_expired)?;
    if mail.applies_to(&profile) { Ok((mail, profile)) } else { Err(mail::token_used()) }
}

/// Deletes the mails of an erased account, except for the notice of its erasure.
pub(crate) async fn erase(app: &App, account: CustomerId) -> Result<()> {
    loop {
        let mails = app.mails.by_account(account).await?;
        let erased: Vec<AccountMailId> = mails.iter().filter(|mail| !mail.is_last_notice()).map(Mail::id).collect();
        if erased.is_empty() {
            return Ok(());
        }
        app.mails.delete(&erased).await?;
    }
}

/// Deletes a notice that was sent. The other mails stay until they expire, because a token does.
pub(crate) async fn delete_sent_notice(app: &App, id: AccountMailId) -> Result<()> {
    match app.mails.get(id).await?.filter(Mail::is_notice) {
        Some(notice) => delete(app, &notice).await,
        None => Ok(()),
    }
}

/// Deletes a mail, and the text that is left of a notice in the database's files.
pub(crate) async fn delete(app: &App, mail: &Mail) -> Result<()> {
    app.mails.delete(&[mail.id()]).await?;
    if mail.is_notice() { app.database.secure_delete().await } else { Ok(()) }
}
