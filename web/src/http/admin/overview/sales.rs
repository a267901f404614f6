//! The sales of the last days: today's beside last week's, and a chart.

use souk_types::{Currency, Money, Timestamp};

use crate::api::admin_overview::{DaySales, SalesDay};
use crate::http::admin::start_of_day;
use crate::locale::{Key, Language};

/// Days of a week.
const WEEK: usize = 7;

/// Width from one bar to the next, in units of the chart.
const STEP: u64 = 40;
/// Width of a bar.
pub(super) const BAR_WIDTH: u64 = 28;
/// Height of the highest bar.
const BAR_HEIGHT: u64 = 120;
/// Space above the bars, for the largest total.
const TOP: u64 = 32;
/// Height of the line on which the bars stand.
const BASE: u64 = TOP + BAR_HEIGHT;

/// The sales in one currency.
pub(super) struct SalesPart {
    /// The beginning of the ids of its elements.
    pub(super) id: String,
    /// Today, and the last 7 days.
    pub(super) figures: [Figure; 2],
    pub(super) chart: Chart,
}

/// A sum beside an earlier one.
pub(super) struct Figure {
    pub(super) label: Key,
    pub(super) total: String,
    pub(super) orders: String,
    /// The sum of before, in words.
    pub(super) before: String,
}

/// One bar for each day, in units of an SVG of `width` and `height`.
pub(super) struct Chart {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) base: u64,
    /// The largest total, and the line that stands for it.
    pub(super) largest: String,
    pub(super) top: u64,
    pub(super) bars: Vec<Bar>,
    /// In words, for those who do not see the bars.
    pub(super) description: String,
}

pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
    pub(super) is_today: bool,
    pub(super) date: String,
    /// The day of the month under the bar; empty under most bars, because a phone has no room.
    pub(super) label: String,
    pub(super) orders: String,
    pub(super) total: String,
}

/// Returns a part for each currency, at least that of the shop.
pub(super) fn parts(language: Language, days: &[SalesDay], shop_currency: &str) -> Vec<SalesPart> {
    let shop_currency = Currency::try_from(shop_currency).ok();
    let sold = days.iter().flat_map(|day| &day.sales).map(|sales| sales.total.currency());
    let mut currencies: Vec<Currency> = shop_currency.into_iter().chain(sold).collect();
    // The shop's own currency stays first.
    currencies.sort_by_key(|currency| (Some(*currency) != shop_currency, currency.code().to_owned()));
    currencies.dedup();
    currencies.into_iter().map(|currency| part(language, days, currency)).collect()
}

fn part(language: Language, days: &[SalesDay], currency: Currency) -> SalesPart {
    let none = DaySales { orders: 0, total: Money::zero(currency) };
    let of_day = |day: &SalesDay| day.sales.iter().find(|sales| sales.total.currency() == currency).copied();
    let sales: Vec<DaySales> = days.iter().map(|day| of_day(day).unwrap_or(none)).collect();
    let ago = |ago: usize| sales.len().checked_sub(ago + 1).and_then(|at| sales.get(at)).copied().unwrap_or(none);
    let sum = |first: usize| (first..first + WEEK).map(ago).fold(none, add);
    let figure = |label: Key, now: DaySales, before: DaySales, text: Key| Figure {
        label,
        total: language.money(now.total),
        orders: orders(language, now.orders),
        before: language.text(text).arg("total", language.money(before.total)).to_string(),
    };
    let today = figure(Key("overview-sales-today"), ago(0), ago(WEEK), Key("overview-sales-day-before"));
    let week = figure(Key("overview-sales-week"), sum(0), sum(WEEK), Key("overview-sales-week-before"));
    SalesPart {
        id: format!("sales-{}", currency.code().to_lowercase()),
        figures: [today, week],
        chart: chart(language, days, &sales, none),
    }
}

fn chart(language: Language, days: &[SalesDay], sales: &[DaySales], none: DaySales) -> Chart {
    let largest = sales.iter().map(|sales| sales.total).max_by_key(|total| total.amount()).unwrap_or(none.total);
    let last = sales.len().saturating_sub(1);
    let bar = |(at, (day, sales)): (usize, (&SalesDay, &DaySales))| {
        let height = bar_height(sales.total.amount(), largest.amount());
        let is_labelled = (last - at).is_multiple_of(WEEK) || at == 0;
        let day_of_month = day.date.get(8..).unwrap_or_default().trim_start_matches('0');
        Bar {
            x: u64::try_from(at).unwrap_or_default() * STEP + (STEP - BAR_WIDTH) / 2,
            y: BASE - height,
            height,
            is_today: at == last,
            date: start_of_day(&day.date).map_or_else(|| day.date.clone(), |day: Timestamp| language.date(day)),
            label: if is_labelled { day_of_month.to_owned() } else { String::new() },
            orders: language.number(sales.orders),
            total: language.money(sales.total),
        }
    };
    let bars: Vec<Bar> = days.iter().zip(sales).enumerate().map(bar).collect();
    let description = bars.iter().map(|bar| format!("{}: {}", bar.date, bar.total)).collect::<Vec<_>>().join("; ");
    let width = u64::try_from(sales.len()).unwrap_or_default() * STEP;
    Chart { width, height: BASE + TOP, base: BASE, largest: language.money(largest), top: TOP, bars, description }
}

/// A day with sales has a visible bar.
fn bar_height(total: u64, largest: u64) -> u64 {
    let height = u128::from(total) * u128::from(BAR_HEIGHT) / u128::from(largest.max(1));
    u64::try_from(height).unwrap_or(BAR_HEIGHT).max(u64::from(total > 0) * 2)
}

fn add(one: DaySales, other: DaySales) -> DaySales {
    DaySales { orders: one.orders + other.orders, total: one.total.checked_add(other.total).unwrap_or(one.total) }
}

fn orders(language: Language, number: u64) -> String {
    language.text(Key("overview-orders")).arg("count", number).arg("number", language.number(number)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn days(totals: &[(&str, u64)]) -> Vec<SalesDay> {
        let day = |number: usize| {
            let total = totals.get(number).filter(|(_, amount)| *amount > 0);
            let sales =
                total.map(|(currency, amount)| json!({"orders": 2, "total": {"amount": amount, "currency": currency}}));
            let date = format!("2026-11-{:02}", number + 1);
            serde_json::from_value(json!({"date": date, "sales": sales.into_iter().collect::<Vec<_>>()})).unwrap()
        };
        (0..14).map(day).collect()
    }

    #[test]
    fn today_stands_beside_the_same_day_last_week() {
        let mut totals = [("EUR", 0); 14];
        (totals[6], totals[7], totals[13]) = (("EUR", 400), ("EUR", 1_000), ("EUR", 600));
        let parts = parts(Language::English, &days(&totals), "EUR");
        assert_eq!(parts.len(), 1);
        let SalesPart { figures: [today, week], chart, .. } = &parts[0];
        assert_eq!((&*today.total, &*today.orders, &*week.total), ("€6.00", "2 orders", "€16.00"));
        assert!(today.before.contains("€4.00") && week.before.contains("€4.00"), "{} {}", today.before, week.before);
        let heights: Vec<u64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!((heights[6], heights[7], heights[13], heights[0]), (48, BAR_HEIGHT, 72, 0));
        assert_eq!((chart.bars[13].y + chart.bars[13].height, chart.largest.as_str()), (BASE, "€10.00"));
        assert!(chart.bars[13].is_today && !chart.bars[12].is_today);
        let labels: Vec<&str> =
            chart.bars.iter().map(|bar| bar.label.as_str()).filter(|label| !label.is_empty()).collect();
        assert_eq!(labels, ["1", "7", "14"]);
    }

    #[test]
    fn each_currency_has_its_part_and_the_shops_is_first() {
        let mut totals = [("EUR", 0); 14];
        (totals[1], totals[2]) = (("CHF", 1), ("EUR", 1));
        let ids = |currency: &str, totals: &[(&str, u64)]| {
            parts(Language::German, &days(totals), currency).into_iter().map(|part| part.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("USD", &totals), ["sales-usd", "sales-chf", "sales-eur"]);
        assert_eq!(ids("EUR", &totals), ["sales-eur", "sales-chf"]);
        assert_eq!(ids("", &[]), Vec::<String>::new());
        assert_eq!((bar_height(1, u64::MAX), bar_height(0, 0), bar_height(u64::MAX, u64::MAX)), (2, 0, BAR_HEIGHT));
    }
}
