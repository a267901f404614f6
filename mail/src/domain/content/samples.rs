//! Sample mails, which try the templates at start-up.

use souk_contract::customer::{AccountMailContent, CustomerId};
use souk_contract::shopping::{
    LateMoney, OrderId, OrderMail, OrderMailLine, OrderMailParcel, OrderMailSubject, OrderMailTax, Shop,
};
use souk_types::{Currency, Email, Id, Language, Money, Timestamp};

use super::{Content, Links};

/// A mail of each kind in one language with all that it can show, to try templates at start-up.
pub(crate) fn samples(language: Language) -> Vec<Content> {
    let Ok(to) = "ana@example.com".parse::<Email>() else { return Vec::new() };
    let money = Money::zero(Currency::EUR);
    let now = Timestamp::now();
    let links = Links::new("https://shop.example.com");
    let shop = || Shop {
        name: "Souk".to_owned(),
        legal_name: "Souk Ltd".to_owned(),
        address: None,
        vat_number: Some("PT123456789".to_owned()),
        email: Some(to.clone()),
    };
    let order = || OrderMail {
        to: to.clone(),
        customer: None,
        language,
        number: "S-10042".to_owned(),
        key: Some("key".to_owned()),
        placed_at: now,
        lines: vec![OrderMailLine { name: "Tea".to_owned(), quantity: 2, total: money }],
        shipping_method: Some("Parcel".to_owned()),
        shipping: money,
        discount: money,
        taxes: vec![OrderMailTax { rate_bp: 1_900, tax: money }],
        total: money,
        prices_include_tax: true,
        shipping_address: None,
        parcel: Some(OrderMailParcel {
            carrier: Some("Post".to_owned()),
            tracking: Some("1Z".to_owned()),
            lines: vec![("Tea".to_owned(), 2)],
        }),
        refund: Some((money, "Damaged".to_owned())),
        late_money: Some(LateMoney::Accepted),
        shop: shop(),
    };
    let token = "token".to_owned();
    let subjects = [
        OrderMailSubject::Received,
        OrderMailSubject::PaymentFailed,
        OrderMailSubject::PaymentWaiting,
        OrderMailSubject::ParcelSent { shipment: Id::new() },
        OrderMailSubject::Refunded { refund: Id::new() },
        OrderMailSubject::Cancelled,
    ];
    let contents = [
        AccountMailContent::VerifyAddress { token: token.clone(), expires: now },
        AccountMailContent::ResetPassword { token, expires: now },
        AccountMailContent::AddressChanged,
        AccountMailContent::PasswordChanged { passkeys_removed: true },
        AccountMailContent::SecondStepOn,
        AccountMailContent::SecondStepOff,
        AccountMailContent::PasskeyAdded,
        AccountMailContent::PasskeyRemoved,
        AccountMailContent::AccountErased,
    ];
    let about_orders = subjects.map(|subject| Content::of_order(OrderId::new(), subject, order(), &links));
    let about_accounts =
        contents.map(|content| Content::of_account(to.clone(), CustomerId::new(), language, content, shop(), &links));
    about_orders.into_iter().chain(about_accounts).collect()
}
