//! How mails write money, rates, dates and times, in each language.

use souk_types::{Language, Money, Timestamp};

/// Formats an amount: `4.99 EUR`, in German `4,99 EUR`.
pub(super) fn money(language: Language, amount: Money) -> String {
    decimals(language, &amount.to_string())
}

/// Formats a tax rate: 1900 is `19 %`, 550 is `5.5 %`, in German `5,5 %`.
pub(super) fn percent(language: Language, basis_points: u32) -> String {
    let (whole, part) = (basis_points / 100, basis_points % 100);
    let text = match part {
        0 => format!("{whole} %"),
        part if part % 10 == 0 => format!("{whole}.{} %", part / 10),
        part => format!("{whole}.{part:02} %"),
    };
    decimals(language, &text)
}

/// Writes the decimal separator of the language in the place of a point.
fn decimals(language: Language, text: &str) -> String {
    match language {
        Language::English => text.to_owned(),
        Language::German => text.replace('.', ","),
    }
}

/// Formats a date: `2026-11-28`, in German `28.11.2026`.
pub(super) fn date(language: Language, at: Timestamp) -> String {
    let text: String = at.to_string().chars().take("2026-11-28".len()).collect();
    match (language, text.split('-').collect::<Vec<_>>().as_slice()) {
        (Language::German, [year, month, day]) => format!("{day}.{month}.{year}"),
        _ => text,
    }
}

/// Formats a time: `2026-11-28 09:30 UTC`.
pub(super) fn date_and_time(language: Language, at: Timestamp) -> String {
    let text = at.to_string();
    let minute: String = text.chars().skip("2026-11-28T".len()).take("09:30".len()).collect();
    format!("{} {minute} UTC", date(language, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shown_in_percent() {
        for (basis_points, text) in [(0, "0 %"), (1_900, "19 %"), (550, "5.5 %"), (825, "8.25 %"), (5, "0.05 %")] {
            assert_eq!(percent(Language::English, basis_points), text);
        }
        assert_eq!(percent(Language::German, 550), "5,5 %");
    }

    #[test]
    fn times_are_shown_to_the_minute() {
        let at: Timestamp = serde_json::from_str("\"2026-11-28T09:30:12.345Z\"").unwrap();
        assert_eq!(date_and_time(Language::English, at), "2026-11-28 09:30 UTC");
        assert_eq!(date_and_time(Language::German, at), "28.11.2026 09:30 UTC");
    }
}
