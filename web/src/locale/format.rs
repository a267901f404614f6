//! How a language writes money and dates, after Unicode's CLDR. ICU4X has no stable formatter of
//! currencies, and two languages need no more than this.

use souk_types::{Currency, Money, Timestamp};

use super::{Key, Language};

/// U+00A0, so that amount and symbol stay on one line.
const NO_BREAK_SPACE: char = '\u{a0}';

impl Language {
    /// Writes an amount: `€1,234.50`, `1.234,50 €`.
    pub(crate) fn money(self, money: Money) -> String {
        let number = self.decimal(money.amount(), money.currency().exponent());
        let symbol = symbol(money.currency());
        match self {
            // A code, other than a symbol, stands apart.
            Self::English if symbol.ends_with(char::is_alphabetic) => format!("{symbol}{NO_BREAK_SPACE}{number}"),
            Self::English => format!("{symbol}{number}"),
            Self::German => format!("{number}{NO_BREAK_SPACE}{symbol}"),
        }
    }

    /// Writes a whole number: `12,345`.
    pub(crate) fn number(self, number: u64) -> String {
        self.decimal(number, 0)
    }

    /// Writes a figure with one decimal: `1,234.5`; negative ones as zero.
    pub(crate) fn tenths(self, value: f64) -> String {
        // Casts to integers saturate.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and bounded")]
        let tenths = (value.max(0.0) * 10.0).round() as u64;
        self.decimal(tenths, 1)
    }

    /// Writes a rate in basis points as a percentage: `19 %`, `8.1%`.
    pub(crate) fn percent(self, basis_points: u32) -> String {
        let decimal = self.decimal(u64::from(basis_points), 2);
        let (_, point) = self.separators();
        let short = decimal.trim_end_matches('0').trim_end_matches(point);
        match self {
            Self::English => format!("{short}%"),
            Self::German => format!("{short}{NO_BREAK_SPACE}%"),
        }
    }

    /// Writes the day of a moment in UTC: `28 November 2026`, `28. November 2026`.
    pub(crate) fn date(self, moment: Timestamp) -> String {
        let text = moment.to_string();
        let mut parts = text.get(..10).unwrap_or_default().split('-');
        let (year, month, day) = (parts.next(), parts.next(), parts.next());
        let month = month.and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month - 1));
        let (Some(year), Some(month), Some(day)) = (year, month, day) else { return text };
        let day = day.trim_start_matches('0').to_owned();
        self.text(Key("date-long"))
            .arg("day", day)
            .arg("month", self.text(*month).to_string())
            .arg("year", year)
            .to_string()
    }

    /// Writes `units` of a `10^exponent`th: grouped, with all decimals.
    pub(super) fn decimal(self, units: u64, exponent: u32) -> String {
        let (group, point) = self.separators();
        let factor = 10u64.pow(exponent);
        let whole = (units / factor).to_string();
        let mut text = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if exponent > 0 {
            text.push(point);
            let decimals = format!("{:0width$}", units % factor, width = exponent as usize);
            text.push_str(&decimals);
        }
        text
    }

    /// Returns the separator of groups and that of decimals.
    pub(super) const fn separators(self) -> (char, char) {
        match self {
            Self::English => (',', '.'),
            Self::German => ('.', ','),
        }
    }
}

const MONTHS: [Key; 12] = [
    Key("month-1"),
    Key("month-2"),
    Key("month-3"),
    Key("month-4"),
    Key("month-5"),
    Key("month-6"),
    Key("month-7"),
    Key("month-8"),
    Key("month-9"),
    Key("month-10"),
    Key("month-11"),
    Key("month-12"),
];

/// Returns the symbol of a currency if no other currency has it, else its code.
fn symbol(currency: Currency) -> String {
    match currency.code() {
        "EUR" => "€",
        "GBP" => "£",
        "USD" => "$",
        "JPY" => "¥",
        "INR" => "₹",
        "ILS" => "₪",
        "UAH" => "₴",
        "TRY" => "₺",
        code => code,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_each_language_does() {
        for (amount, currency, english, german) in [
            (0, "EUR", "€0.00", "0,00\u{a0}€"),
            (1_290, "EUR", "€12.90", "12,90\u{a0}€"),
            (123_456_789, "EUR", "€1,234,567.89", "1.234.567,89\u{a0}€"),
            (1_500, "JPY", "¥1,500", "1.500\u{a0}¥"),
            (5_120, "KWD", "KWD\u{a0}5.120", "5,120\u{a0}KWD"),
            (99_900, "USD", "$999.00", "999,00\u{a0}$"),
        ] {
            let money = Money::new(amount, Currency::try_from(currency).unwrap()).unwrap();
            assert_eq!(Language::English.money(money), english);
            assert_eq!(Language::German.money(money), german);
        }
    }

    #[test]
    fn rates_and_dates_are_written_as_each_language_does() {
        for (rate, english, german) in [(1_900, "19%", "19\u{a0}%"), (810, "8.1%", "8,1\u{a0}%"), (0, "0%", "0\u{a0}%")]
        {
            assert_eq!(
                (Language::English.percent(rate), Language::German.percent(rate)),
                (english.into(), german.into())
            );
        }
        let moment: Timestamp = serde_json::from_str("\"2026-03-05T09:14:29.123Z\"").unwrap();
        assert_eq!(Language::English.date(moment), "5 March 2026");
        assert_eq!(Language::German.date(moment), "5. März 2026");
    }
}
