//! The requests and events of `customer`.

use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};

use crate::{Event, Request};
use souk_types::{Address, Email, Id, Language, Timestamp};

/// Marks ids of accounts; the type itself is private to `customer`.
pub enum Customer {}

/// The id of an account.
pub type CustomerId = Id<Customer>;

/// Returns the public keys that verify access tokens.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetKeys {}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Serialize, Deserialize)]
pub struct Keys {
    /// All keys that may have signed an unexpired token.
    pub keys: Vec<Jwk>,
}

impl Request for GetKeys {
    const NAME: &'static str = "customer.keys";
    type Reply = Keys;
}

/// An account was deleted. Each subscriber erases the customer's personal data and publishes a
/// `customer-erased` of its own. `customer` publishes this event again until every subscriber has
/// responded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerDeleted {
    /// The deleted account.
    pub id: CustomerId,
}

/// The access tokens of an account's earlier generations are revoked: its password or e-mail
/// address has changed, or the customer has ended all sessions. Each subscriber refuses them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokensRevoked {
    /// The account.
    pub id: CustomerId,
    /// The current generation: tokens of a lower one are refused.
    pub generation: u32,
}

/// An account has verified its e-mail address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailVerified {
    /// The account.
    pub id: CustomerId,
}

impl Event for EmailVerified {
    const NAME: &'static str = "customer.email-verified";
    const LISTENERS: &'static [&'static str] = &["shopping"];
}

/// Marks ids of mails to account holders.
pub enum AccountMail {}

/// The id of a mail to an account holder.
pub type AccountMailId = Id<AccountMail>;

/// A mail to an account holder is due. `mail` gets its content with [`GetAccountMail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountMailDue {
    /// The mail.
    pub id: AccountMailId,
}

impl Event for AccountMailDue {
    const NAME: &'static str = "customer.mail-due";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// Returns the recipient and the content of a mail. `mail` calls it whenever it sends.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetAccountMail {
    /// The mail.
    pub id: AccountMailId,
}

impl Request for GetAccountMail {
    const NAME: &'static str = "customer.mail";
    type Reply = AccountMailReply;
}

/// The reply to [`GetAccountMail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum AccountMailReply {
    /// The mail is to be sent.
    Send {
        /// The recipient.
        to: Email,
        /// The account.
        account: CustomerId,
        /// The language of the mail.
        #[serde(default)]
        language: Language,
        /// The content.
        content: AccountMailContent,
    },
    /// Nothing is to be sent: the link has expired or was used, or the account is erased.
    Obsolete,
}

/// A mail was sent. `customer` deletes a notice, whose recipient has no account any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountMailSent {
    /// The mail.
    pub id: AccountMailId,
}

impl Request for AccountMailSent {
    const NAME: &'static str = "customer.mail-sent";
    type Reply = ();
}

/// The content of a mail to an account holder.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum AccountMailContent {
    /// Asks to verify the e-mail address.
    VerifyAddress {
        /// The secret for `POST /customer/verify`.
        token: String,
        /// When it expires.
        expires: Timestamp,
    },
    /// Offers to set a new password.
    ResetPassword {
        /// The secret for `POST /customer/password/reset`.
        token: String,
        /// When it expires.
        expires: Timestamp,
    },
    /// Reports to the former address that the account has another one.
    AddressChanged,
    /// Reports that the account has another password.
    PasswordChanged {
        /// Whether its passkeys were removed as well.
        passkeys_removed: bool,
    },
    /// Reports that a sign-in needs a code from now on.
    SecondStepOn,
    /// Reports that a sign-in needs no code any more.
    SecondStepOff,
    /// Reports that a passkey was added.
    PasskeyAdded,
    /// Reports that a passkey was removed.
    PasskeyRemoved,
    /// Reports that the account is erased.
    AccountErased,
}

impl std::fmt::Debug for AccountMailContent {
    /// Hides the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::VerifyAddress { .. } => "VerifyAddress",
            Self::ResetPassword { .. } => "ResetPassword",
            Self::AddressChanged => "AddressChanged",
            Self::PasswordChanged { .. } => "PasswordChanged",
            Self::SecondStepOn => "SecondStepOn",
            Self::SecondStepOff => "SecondStepOff",
            Self::PasskeyAdded => "PasskeyAdded",
            Self::PasskeyRemoved => "PasskeyRemoved",
            Self::AccountErased => "AccountErased",
        })
    }
}

/// Maximum number of passkeys of one account.
pub const MAX_PASSKEYS: usize = 10;

/// The longest name of a passkey, in characters.
pub const MAX_PASSKEY_NAME: usize = 60;

/// Maximum number of addresses of one account. Bounds the size of the account's document.
pub const MAX_ADDRESSES: usize = 20;

/// Marks ids of saved addresses; the type itself is private to `customer`.
pub enum SavedAddress {}

/// The id of an address in an address book.
pub type AddressId = Id<SavedAddress>;

/// Returns the e-mail address of an account, and one of its saved addresses.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetContact {
    /// The account.
    pub account: CustomerId,
    /// The address to return; `None` for none.
    pub address: Option<AddressId>,
}

impl Request for GetContact {
    const NAME: &'static str = "customer.contact";
    type Reply = Contact;
}

/// The reply to [`GetContact`].
#[expect(clippy::large_enum_variant, reason = "one value for each call")]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Contact {
    /// The account is open.
    Open {
        /// Its e-mail address.
        email: Email,
        /// Whether the customer has verified it.
        is_verified: bool,
        /// The requested address; `None` also when the account has no address with this id.
        address: Option<Address>,
    },
    /// The account is deleted.
    Closed,
}

impl Event for TokensRevoked {
    const NAME: &'static str = "customer.tokens-revoked";
    const LISTENERS: &'static [&'static str] = &["mail", "products", "shopping"];
}

impl Event for CustomerDeleted {
    const NAME: &'static str = "customer.deleted";
    const LISTENERS: &'static [&'static str] = &["mail", "products", "shopping"];
}
