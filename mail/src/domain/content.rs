//! What a mail says: the values that its templates show. `docs/mail.md` lists them for operators.

mod formats;
mod samples;

use serde::{Deserialize, Serialize};
use souk_contract::customer::{AccountMailContent, CustomerId};
use souk_contract::shopping::{LateMoney, OrderId, OrderMail, OrderMailParcel, OrderMailSubject, Shop};
use souk_types::{Address, Email, Language, Money, Timestamp};

use self::formats::{date, date_and_time, money, percent};
pub(crate) use self::samples::samples;

/// The kind of a mail. Each has a template of its name for text and one for HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    OrderReceived,
    PaymentFailed,
    PaymentWaiting,
    ParcelSent,
    OrderRefunded,
    OrderCancelled,
    VerifyAddress,
    ResetPassword,
    AddressChanged,
    PasswordChanged,
    SecondStepOn,
    SecondStepOff,
    PasskeyAdded,
    PasskeyRemoved,
    AccountErased,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::OrderReceived,
        Self::PaymentFailed,
        Self::PaymentWaiting,
        Self::ParcelSent,
        Self::OrderRefunded,
        Self::OrderCancelled,
        Self::VerifyAddress,
        Self::ResetPassword,
        Self::AddressChanged,
        Self::PasswordChanged,
        Self::SecondStepOn,
        Self::SecondStepOff,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::AccountErased,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderReceived => "order-received",
            Self::PaymentFailed => "payment-failed",
            Self::PaymentWaiting => "payment-waiting",
            Self::ParcelSent => "parcel-sent",
            Self::OrderRefunded => "order-refunded",
            Self::OrderCancelled => "order-cancelled",
            Self::VerifyAddress => "verify-address",
            Self::ResetPassword => "reset-password",
            Self::AddressChanged => "address-changed",
            Self::PasswordChanged => "password-changed",
            Self::SecondStepOn => "second-step-on",
            Self::SecondStepOff => "second-step-off",
            Self::PasskeyAdded => "passkey-added",
            Self::PasskeyRemoved => "passkey-removed",
            Self::AccountErased => "account-erased",
        }
    }
}

/// What a mail document stores about the mail that an attempt has sent, or has tried to send.
pub(crate) struct Envelope {
    pub(crate) to: Email,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) kind: Kind,
    pub(crate) subject: String,
}

/// The links in mails. They lead to pages in the language of the mail.
pub(crate) struct Links {
    /// Without a slash at its end.
    base: String,
}

impl Links {
    pub(crate) fn new(public_url: &str) -> Self {
        Self { base: public_url.trim_end_matches('/').to_owned() }
    }

    /// A token is in the fragment, which browsers send to no server and write into no `Referer`.
    fn verify(&self, language: Language, token: &str) -> String {
        self.page(language, &format!("account/verify#token={token}"))
    }

    fn reset(&self, language: Language, token: &str) -> String {
        self.page(language, &format!("account/reset-password#token={token}"))
    }

    /// A guest needs the key, and a customer signs in.
    fn order(&self, language: Language, order: OrderId, key: Option<&str>) -> String {
        let key = key.map(|key| format!("?key={key}")).unwrap_or_default();
        self.page(language, &format!("order/{order}{key}"))
    }

    fn page(&self, language: Language, path: &str) -> String {
        format!("{}/{}/{path}", self.base, language.tag())
    }
}

/// A mail before it is rendered.
pub(crate) struct Content {
    to: Email,
    customer: Option<CustomerId>,
    kind: Kind,
    language: Language,
    variables: Variables,
}

/// The variables of the templates.
#[derive(Serialize)]
pub(crate) struct Variables {
    pub(crate) shop: ShopVariables,
    order: Option<OrderVariables>,
    account: Option<AccountVariables>,
}

#[derive(Serialize)]
pub(crate) struct ShopVariables {
    pub(crate) name: String,
    legal_name: String,
    /// The address, line by line.
    address: Vec<String>,
    vat_number: Option<String>,
    #[serde(skip)]
    pub(crate) reply_to: Option<Email>,
    email: Option<String>,
    url: String,
}

#[derive(Serialize)]
struct OrderVariables {
    number: String,
    /// Opens the order.
    link: String,
    placed: String,
    lines: Vec<LineVariables>,
    shipping_method: Option<String>,
    shipping: String,
    /// `None` when nothing was taken off.
    discount: Option<String>,
    taxes: Vec<TaxVariables>,
    total: String,
    prices_include_tax: bool,
    /// The shipping address, line by line.
    address: Vec<String>,
    parcel: Option<ParcelVariables>,
    refund: Option<RefundVariables>,
    /// `none`, `refunded` or `accepted`; `None` when the order says nothing of it.
    late_money: Option<LateMoney>,
}

#[derive(Serialize)]
struct LineVariables {
    name: String,
    quantity: u32,
    /// `None` in a parcel.
    total: Option<String>,
}

#[derive(Serialize)]
struct TaxVariables {
    rate: String,
    tax: String,
}

#[derive(Serialize)]
struct ParcelVariables {
    carrier: Option<String>,
    tracking: Option<String>,
    lines: Vec<LineVariables>,
}

#[derive(Serialize)]
struct RefundVariables {
    amount: String,
    reason: String,
}

#[derive(Serialize)]
struct AccountVariables {
    link: Option<String>,
    code: Option<String>,
    expires: Option<String>,
    passkeys_removed: bool,
}

impl Content {
    pub(crate) fn of_account(
        to: Email,
        customer: CustomerId,
        language: Language,
        content: AccountMailContent,
        shop: Shop,
        links: &Links,
    ) -> Self {
        let with_token = |link, token, expires| AccountVariables::with_token(link, token, expires, language);
        let (kind, account) = match content {
            AccountMailContent::VerifyAddress { token, expires } => {
                (Kind::VerifyAddress, with_token(links.verify(language, &token), token, expires))
            }
            AccountMailContent::ResetPassword { token, expires } => {
                (Kind::ResetPassword, with_token(links.reset(language, &token), token, expires))
            }
            AccountMailContent::AddressChanged => (Kind::AddressChanged, AccountVariables::without_token()),
            AccountMailContent::PasswordChanged { passkeys_removed } => {
                (Kind::PasswordChanged, AccountVariables { passkeys_removed, ..AccountVariables::without_token() })
            }
            AccountMailContent::SecondStepOn => (Kind::SecondStepOn, AccountVariables::without_token()),
            AccountMailContent::SecondStepOff => (Kind::SecondStepOff, AccountVariables::without_token()),
            AccountMailContent::PasskeyAdded => (Kind::PasskeyAdded, AccountVariables::without_token()),
            AccountMailContent::PasskeyRemoved => (Kind::PasskeyRemoved, AccountVariables::without_token()),
            AccountMailContent::AccountErased => (Kind::AccountErased, AccountVariables::without_token()),
        };
        // The notice of an erasure refers to no account, so that the erasure does not delete it.
        let customer = Some(customer).filter(|_| kind != Kind::AccountErased);
        let variables = Variables { shop: ShopVariables::new(shop, links), order: None, account: Some(account) };
        Self { to, customer, kind, language, variables }
    }

    pub(crate) fn of_order(order: OrderId, subject: OrderMailSubject, mail: OrderMail, links: &Links) -> Self {
        let kind = match subject {
            OrderMailSubject::Received => Kind::OrderReceived,
            OrderMailSubject::PaymentFailed => Kind::PaymentFailed,
            OrderMailSubject::PaymentWaiting => Kind::PaymentWaiting,
            OrderMailSubject::ParcelSent { .. } => Kind::ParcelSent,
            OrderMailSubject::Refunded { .. } => Kind::OrderRefunded,
            OrderMailSubject::Cancelled => Kind::OrderCancelled,
        };
        let (to, customer, language) = (mail.to.clone(), mail.customer, mail.language);
        let link = links.order(language, order, mail.key.as_deref());
        let shop = ShopVariables::new(mail.shop.clone(), links);
        let order = Some(OrderVariables::new(mail, link));
        Self { to, customer, kind, language, variables: Variables { shop, order, account: None } }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn language(&self) -> Language {
        self.language
    }

    pub(crate) fn to(&self) -> &Email {
        &self.to
    }

    pub(crate) fn envelope(&self, subject: String) -> Envelope {
        Envelope { to: self.to.clone(), customer: self.customer, kind: self.kind, subject }
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }
}

impl ShopVariables {
    fn new(shop: Shop, links: &Links) -> Self {
        Self {
            name: shop.name,
            legal_name: shop.legal_name,
            address: shop.address.as_ref().map(address_lines).unwrap_or_default(),
            vat_number: shop.vat_number,
            email: shop.email.as_ref().map(|email| email.as_str().to_owned()),
            reply_to: shop.email,
            url: links.base.clone(),
        }
    }
}

impl OrderVariables {
    fn new(mail: OrderMail, link: String) -> Self {
        let language = mail.language;
        let money = |amount: Money| money(language, amount);
        let row = |name, quantity, total: Money| LineVariables { name, quantity, total: Some(money(total)) };
        let tax = |rate_bp, tax: Money| TaxVariables { rate: percent(language, rate_bp), tax: money(tax) };
        Self {
            number: mail.number,
            link,
            placed: date(language, mail.placed_at),
            lines: mail.lines.into_iter().map(|of| row(of.name, of.quantity, of.total)).collect(),
            shipping_method: mail.shipping_method,
            shipping: money(mail.shipping),
            discount: Some(mail.discount).filter(|discount| !discount.is_zero()).map(money),
            taxes: mail.taxes.into_iter().map(|of| tax(of.rate_bp, of.tax)).collect(),
            total: money(mail.total),
            prices_include_tax: mail.prices_include_tax,
            address: mail.shipping_address.as_ref().map(address_lines).unwrap_or_default(),
            parcel: mail.parcel.map(ParcelVariables::new),
            refund: mail.refund.map(|(amount, reason)| RefundVariables { amount: money(amount), reason }),
            late_money: mail.late_money,
        }
    }
}

impl ParcelVariables {
    fn new(OrderMailParcel { carrier, tracking, lines }: OrderMailParcel) -> Self {
        let line = |(name, quantity)| LineVariables { name, quantity, total: None };
        Self { carrier, tracking, lines: lines.into_iter().map(line).collect() }
    }
}

impl AccountVariables {
    fn with_token(link: String, token: String, expires: Timestamp, language: Language) -> Self {
        let expires = Some(date_and_time(language, expires));
        Self { link: Some(link), code: Some(token), expires, ..Self::without_token() }
    }

    fn without_token() -> Self {
        Self { link: None, code: None, expires: None, passkeys_removed: false }
    }
}

fn address_lines(address: &Address) -> Vec<String> {
    let city = [address.postal_code(), Some(address.city()), address.region()];
    let city = city.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let lines = [Some(address.name()), address.company(), Some(address.line1()), address.line2()];
    let lines = lines.into_iter().flatten().map(str::to_owned);
    lines.chain([city, address.country().as_str().to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_line_by_line() {
        let full: Address = serde_json::from_value(serde_json::json!({
            "name": "Ana Sá", "company": "Ana Lda", "line1": "Rua 1", "line2": "2.º", "city": "Porto",
            "region": "Norte", "postal_code": "4050-265", "country": "PT",
        }))
        .unwrap();
        assert_eq!(address_lines(&full), ["Ana Sá", "Ana Lda", "Rua 1", "2.º", "4050-265 Porto Norte", "PT"]);
    }

    #[test]
    fn a_token_is_in_the_fragment_of_its_link() {
        let links = Links::new("https://shop.example.com/");
        assert_eq!(links.verify(Language::German, "t"), "https://shop.example.com/de/account/verify#token=t");
    }

    #[test]
    fn the_link_to_an_order_has_the_key_of_a_guest() {
        let links = Links::new("https://shop.example.com");
        let order = OrderId::new();
        for (key, query) in [(None, ""), (Some("k"), "?key=k")] {
            let link = links.order(Language::English, order, key);
            assert_eq!(link, format!("https://shop.example.com/en/order/{order}{query}"));
        }
    }

    #[test]
    fn there_is_a_sample_of_each_kind() {
        let kinds: Vec<Kind> = samples(Language::English).iter().map(Content::kind).collect();
        assert_eq!(kinds, Kind::ALL);
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
