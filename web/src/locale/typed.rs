//! How people type amounts and rates in a language.

use souk_types::{Currency, Money};

use super::Language;

/// Decimals of a percentage in basis points.
const PERCENT_DECIMALS: u32 = 2;

impl Language {
    /// Reads an amount as people type it: `12.50`, `1,234.50`; in German `12,50`, `1.234,50`.
    /// Returns `None` for anything else. An amount that could be meant in two ways is not guessed.
    pub(crate) fn read_money(self, typed: &str, currency: Currency) -> Option<Money> {
        Money::new(self.read_decimal(typed, currency.exponent())?, currency).ok()
    }

    /// Writes an amount for a field in which people type one: `1234.50`, `1234,50`.
    pub(crate) fn typed_money(self, money: Money) -> String {
        self.typed_decimal(money.amount(), money.currency().exponent())
    }

    /// Reads a percentage, `12.5` or `12.5 %`, in basis points.
    pub(crate) fn read_percent(self, typed: &str) -> Option<u64> {
        self.read_decimal(typed.trim().trim_end_matches('%'), PERCENT_DECIMALS)
    }

    /// Writes basis points for a field in which people type a percentage: `12.5`, `12,5`.
    pub(crate) fn typed_percent(self, basis_points: u64) -> String {
        let (_, point) = self.separators();
        let decimal = self.typed_decimal(basis_points, PERCENT_DECIMALS);
        decimal.trim_end_matches('0').trim_end_matches(point).to_owned()
    }

    fn typed_decimal(self, units: u64, exponent: u32) -> String {
        let (group, _) = self.separators();
        self.decimal(units, exponent).replace(group, "")
    }

    /// Reads a number in units of a `10^exponent`th.
    fn read_decimal(self, typed: &str, exponent: u32) -> Option<u64> {
        let (group, point) = self.separators();
        let typed = typed.trim();
        let (whole, decimals) = typed.split_once(point).unwrap_or((typed, ""));
        let groups: Vec<&str> = whole.split(group).collect();
        let is_grouped = groups.len() > 1;
        let fits = |(at, part): (usize, &&str)| if at == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
        if is_grouped && !groups.iter().enumerate().all(fits) {
            return None;
        }
        let whole = groups.concat();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let width = exponent as usize;
        if whole.is_empty() || !is_number(&whole) || !is_number(decimals) || decimals.len() > width {
            return None;
        }
        format!("{whole}{decimals:0<width$}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_the_language_writes_it() {
        let money = |language: Language, typed: &str, currency: &str| {
            language.read_money(typed, Currency::try_from(currency).unwrap()).map(Money::amount)
        };
        for (english, german, currency, expected) in [
            ("12.50", "12,50", "EUR", Some(1_250)),
            (" 12 ", " 12 ", "EUR", Some(1_200)),
            ("12.5", "12,5", "EUR", Some(1_250)),
            ("0.05", "0,05", "EUR", Some(5)),
            ("1,234.50", "1.234,50", "EUR", Some(123_450)),
            ("1234.50", "1234,50", "EUR", Some(123_450)),
            ("1,500", "1.500", "JPY", Some(1_500)),
            ("5.120", "5,120", "KWD", Some(5_120)),
            ("12,50", "12.50", "EUR", None),
            ("12.505", "12,505", "EUR", None),
            ("15.5", "15,5", "JPY", None),
            ("1,2,3", "1.2.3", "EUR", None),
            (",123", ".123", "EUR", None),
            ("-1", "-1", "EUR", None),
            ("1 EUR", "1 EUR", "EUR", None),
            ("", "", "EUR", None),
            (".5", ",5", "EUR", None),
            ("99999999999999", "99999999999999", "EUR", None),
            ("99999999999999999999", "99999999999999999999", "EUR", None),
        ] {
            assert_eq!(money(Language::English, english, currency), expected, "{english}");
            assert_eq!(money(Language::German, german, currency), expected, "{german}");
        }
    }

    #[test]
    fn what_a_field_shows_is_read_again() {
        for amount in [0, 5, 1_250, 123_456_789] {
            let money = Money::new(amount, Currency::try_from("EUR").unwrap()).unwrap();
            for language in Language::ALL {
                let typed = language.typed_money(money);
                assert_eq!(language.read_money(&typed, money.currency()), Some(money), "{typed}");
            }
        }
        assert_eq!(Language::German.typed_percent(1_250), "12,5");
        assert_eq!(Language::English.typed_percent(1_000), "10");
        assert_eq!(Language::English.typed_percent(10_000), "100");
        assert_eq!(Language::German.read_percent("12,5 %"), Some(1_250));
    }
}
