//! Converts amounts to and from the integers of Stripe's API. Stripe has its own decimals for each
//! currency, which are not those of ISO 4217 for all of them, and its own limits. Source of every
//! table here: <https://docs.stripe.com/currencies>.

use souk_types::{Currency, Error, Money, Result};

use crate::providers::refused;

/// The currencies that Stripe takes, those of accounts in the Gulf states and Tunisia included.
/// Stripe refuses those that an account cannot take.
const CURRENCIES: [&str; 139] = [
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD",
    "BND", "BOB", "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CVE", "CZK",
    "DJF", "DKK", "DOP", "DZD", "EGP", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GIP", "GMD", "GNF", "GTQ", "GYD",
    "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KRW",
    "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MUR",
    "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP",
    "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SEK", "SGD", "SHP", "SLE", "SOS",
    "SRD", "STD", "SZL", "THB", "TJS", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS",
    "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW",
];

/// Returns the decimals of an amount in Stripe's API.
fn decimals(code: &str) -> u32 {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        // ISK and UGX too: they have no decimals any more, and Stripe still takes two zeros.
        _ => 2,
    }
}

/// Returns the divisor of every amount in Stripe's API.
fn divisor(code: &str) -> u64 {
    match code {
        // Stripe requires that the last of three decimals is 0, because some networks have two.
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 10,
        "ISK" | "UGX" => 100,
        _ => 1,
    }
}

/// Returns the smallest charge, as Stripe's integer. Stripe checks the minimum of the currency
/// that it pays out, which the shop does not know; it refuses those amounts itself.
fn minimum(code: &str) -> u64 {
    match code {
        "USD" | "ARS" | "AUD" | "BRL" | "CAD" | "CHF" | "COP" | "EUR" | "IDR" | "ILS" | "INR" | "JPY" | "KRW"
        | "NZD" | "PHP" | "RUB" | "SGD" | "ZAR" => 50,
        "AED" | "MYR" | "PLN" | "RON" => 200,
        "CZK" => 1_500,
        "DKK" => 250,
        "GBP" => 30,
        "HKD" => 400,
        "HUF" => 17_500,
        "MXN" | "THB" => 1_000,
        "NOK" | "SEK" => 300,
        _ => 1,
    }
}

/// Returns the largest charge that every payment method takes, as Stripe's integer.
fn maximum(code: &str) -> u64 {
    let largest = match code {
        "COP" => 9_999_999_999,
        "IDR" => 999_999_999_999,
        "INR" => 999_999_999,
        _ => 99_999_999,
    };
    largest - largest % divisor(code)
}

/// Returns the integer that Stripe expects for this amount. Errors: `payment-refused` for a
/// currency that Stripe does not take, and an amount that it cannot express.
pub(super) fn to_stripe(money: Money) -> Result<u64> {
    let (code, exponent) = (money.currency().code().to_owned(), money.currency().exponent());
    if !CURRENCIES.contains(&code.as_str()) {
        return Err(refused(&format!("Stripe takes no payments in {code}.")));
    }
    let amount = rescale(money.amount(), exponent, decimals(&code));
    amount
        .filter(|amount| amount.is_multiple_of(divisor(&code)))
        .ok_or_else(|| refused(&format!("Stripe cannot charge {money}: it takes no such fractions of {code}.")))
}

/// Like [`to_stripe`], for a new payment: it must be within Stripe's limits.
pub(super) fn charge_to_stripe(total: Money) -> Result<u64> {
    let amount = to_stripe(total)?;
    let currency = total.currency();
    let limit = |limit| from_stripe(limit, currency.code());
    if amount < minimum(currency.code()) {
        return Err(refused(&format!("{total} is below Stripe's minimum of {}.", limit(minimum(currency.code()))?)));
    }
    if amount > maximum(currency.code()) {
        return Err(refused(&format!("{total} is above Stripe's maximum of {}.", limit(maximum(currency.code()))?)));
    }
    Ok(amount)
}

/// Reads an amount of Stripe's API; the code of the currency may be in lower case. Errors:
/// `internal`.
pub(super) fn from_stripe(amount: u64, currency: &str) -> Result<Money> {
    let unreadable = |problem| Error::internal(format!("stripe: {amount} {currency:?}: {problem}"));
    let code = currency.to_ascii_uppercase();
    let currency = Currency::try_from(code.as_str()).map_err(unreadable)?;
    let amount = rescale(amount, decimals(&code), currency.exponent());
    let amount = amount.ok_or_else(|| unreadable("is not a whole number of minor units"))?;
    Money::new(amount, currency).map_err(unreadable)
}

/// Changes the number of decimals; `None` when that is not exact.
fn rescale(amount: u64, from: u32, to: u32) -> Option<u64> {
    if to >= from {
        return amount.checked_mul(10u64.pow(to - from));
    }
    let factor = 10u64.pow(from - to);
    amount.is_multiple_of(factor).then(|| amount / factor)
}

#[cfg(test)]
mod tests {
    use souk_types::{ErrorKind, Price, Quantity};

    use super::*;

    fn money(amount: u64, code: &str) -> Money {
        Money::new(amount, Currency::try_from(code).unwrap()).unwrap()
    }

    fn shared_currencies() -> Vec<Currency> {
        let currencies: Vec<_> = CURRENCIES.iter().filter_map(|code| Currency::try_from(*code).ok()).collect();
        assert!(currencies.len() > 130, "{currencies:?}");
        currencies
    }

    #[test]
    fn stripe_has_its_own_minor_units() {
        for (amount, code, stripe) in [
            (499, "EUR", 499),
            (500, "JPY", 500),
            (500, "ISK", 50_000),
            (5, "UGX", 500),
            (5_120, "KWD", 5_120),
            (1_250, "BHD", 1_250),
            (50_000, "MGA", 500),
            (1_045, "HUF", 1_045),
            (80_045, "TWD", 80_045),
            (500, "XOF", 500),
        ] {
            assert_eq!(to_stripe(money(amount, code)).unwrap(), stripe, "{amount} {code}");
            assert_eq!(
                from_stripe(stripe, &code.to_ascii_lowercase()).unwrap(),
                money(amount, code),
                "{stripe} {code}"
            );
        }
    }

    #[test]
    fn every_line_of_a_cart_converts_there_and_back() {
        let ends = [Price::MAX_AMOUNT - 1_000, 0, 99_999_000];
        for currency in shared_currencies() {
            for amount in ends.into_iter().flat_map(|start| start..=start + 1_000) {
                let Ok(price) = Price::new(amount, currency) else { continue };
                for quantity in [1, 7, 999] {
                    let total = price.line_total(Quantity::try_from(quantity).unwrap());
                    let stripe = to_stripe(total).unwrap();
                    assert!(stripe.is_multiple_of(divisor(currency.code())), "{total}: {stripe}");
                    assert_eq!(from_stripe(stripe, currency.code()).unwrap(), total, "{total}: {stripe}");
                }
            }
        }
    }

    #[test]
    fn every_amount_of_stripe_converts_there_and_back() {
        for currency in shared_currencies() {
            let code = currency.code();
            for number in [0, 1, 2, 49, 50, 51, 999, 1_000, 123_456, maximum(code) / divisor(code)] {
                let stripe = number * divisor(code);
                assert_eq!(to_stripe(from_stripe(stripe, code).unwrap()).unwrap(), stripe, "{stripe} {code}");
            }
        }
    }

    #[test]
    fn amounts_that_stripe_cannot_charge_are_refused_with_the_reason() {
        for (amount, code, reason) in [
            (5_124, "KWD", "5.124 KWD"),
            (550, "MGA", "5.50 MGA"),
            (500, "IRR", "no payments in IRR"),
            (5_000, "LYD", "no payments in LYD"),
            (49, "USD", "minimum of 0.50 USD"),
            (0, "EUR", "minimum of 0.50 EUR"),
            (29, "GBP", "minimum of 0.30 GBP"),
            (17_499, "HUF", "minimum of 175.00 HUF"),
            (49, "JPY", "minimum of 50 JPY"),
            (100_000_000, "USD", "maximum of 999999.99 USD"),
            (1_000_000, "ISK", "maximum of 999999 ISK"),
            (1_000_000_000_000, "IDR", "maximum of 9999999999.99 IDR"),
            (Money::MAX_AMOUNT, "ISK", "maximum"),
        ] {
            let error = charge_to_stripe(money(amount, code)).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "payment-refused"), "{amount} {code}");
            assert!(error.detail().contains(reason), "{amount} {code}: {}", error.detail());
        }
        for (amount, code) in
            [(50, "USD"), (30, "GBP"), (99_999_999, "USD"), (999_999, "ISK"), (999_999_999_999, "IDR"), (1, "XOF")]
        {
            assert!(charge_to_stripe(money(amount, code)).is_ok(), "{amount} {code}");
        }
    }

    #[test]
    fn a_refund_has_no_minimum() {
        assert_eq!(to_stripe(money(1, "EUR")).unwrap(), 1);
    }

    #[test]
    fn unreadable_amounts_of_stripe_are_errors() {
        for (amount, code) in [(150, "isk"), (1, "xxx"), (1, ""), (u64::MAX, "eur"), (u64::MAX, "mga")] {
            assert_eq!(from_stripe(amount, code).unwrap_err().kind(), ErrorKind::Internal, "{amount} {code}");
        }
    }
}
