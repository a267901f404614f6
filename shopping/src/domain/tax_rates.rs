//! The tax rates of the shop: dated, by place and tax class.

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{Country, Error, Integer, Result, TaxClass, Text, Timestamp};

use super::location::{Location, PostalCodes};
use super::rounding::WHOLE_BP;

/// Maximum number of rates, so that all fit into the body of a request.
const MAX_RATES: usize = 500;

/// The table of tax rates. The most specific rate of a place applies, alone: a rate of postal codes
/// (the longer, the more specific), then one of a region, then one of the country. A rate of a US
/// city is therefore the sum of its state's and its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct TaxRates {
    /// Where the rates are from, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Text<1, 500>>,
    rates: Vec<TaxRate>,
}

#[derive(Deserialize)]
struct Unchecked {
    #[serde(default)]
    note: Option<Text<1, 500>>,
    rates: Vec<TaxRate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaxRate {
    country: Country,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<Text<1, 50>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postal_codes: Option<PostalCodes>,
    class: TaxClass,
    rate_bp: Rate,
    from: Timestamp,
    /// The rate applies before this moment. `None` while no end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// A rate in basis points, up to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u32")]
struct Rate(u32);

impl TryFrom<Integer> for Rate {
    type Error = String;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u32::try_from(number.get()) {
            Ok(rate_bp @ 0..=WHOLE_BP) => Ok(Self(rate_bp)),
            _ => Err(format!("must be a rate in basis points, 0 to {WHOLE_BP}")),
        }
    }
}

impl From<Rate> for u32 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl TaxRate {
    fn applies_to(&self, place: &Location, now: Timestamp) -> bool {
        self.is_in_force(now)
            && self.country == place.country
            && self.region.as_ref().is_none_or(|region| place.is_in_region(region))
            && self.postal_codes.as_ref().is_none_or(|codes| codes.contains(place))
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    fn is_local(&self) -> bool {
        self.region.is_some() || self.postal_codes.is_some()
    }

    fn specificity(&self) -> (usize, bool) {
        (self.postal_codes.as_ref().map_or(0, PostalCodes::length), self.region.is_some())
    }

    /// Whether both apply to one place, class and moment, and none is more specific.
    fn overlaps(&self, other: &Self) -> bool {
        let starts_before_end = |one: &Self, other: &Self| other.until.is_none_or(|until| one.from < until);
        let folded = |rate: &Self| rate.region.as_ref().map(|region| region.to_lowercase());
        let shares_codes = match (&self.postal_codes, &other.postal_codes) {
            (Some(own), Some(others)) => own.overlaps(others),
            (own, others) => own.is_none() && others.is_none(),
        };
        self.country == other.country
            && folded(self) == folded(other)
            && shares_codes
            && self.class == other.class
            && starts_before_end(self, other)
            && starts_before_end(other, self)
    }
}

impl TaxRates {
    /// Returns the rates of a shop that has not been set up.
    pub(crate) fn sample() -> Result<Self> {
        serde_json::from_str(include_str!("tax_rates/sample.json")).map_err(Error::internal)
    }

    /// Returns the rate in basis points. A class without a rate has the standard rate of the place;
    /// the class `zero` has 0. In a country with local rates only, such as the US, the rate of
    /// other places is 0: the shop collects no tax there. Errors: `tax-rate-missing`.
    pub(crate) fn rate(&self, place: &Location, class: TaxClass, now: Timestamp) -> Result<u32> {
        if class == TaxClass::Zero {
            return Ok(0);
        }
        let of_class = |class| {
            let rates = self.rates.iter().filter(|rate| rate.class == class && rate.applies_to(place, now));
            // Of equally specific ones, the first.
            rates.rev().max_by_key(|rate| rate.specificity()).map(|rate| rate.rate_bp.0)
        };
        if let Some(rate) = of_class(class).or_else(|| of_class(TaxClass::Standard)) {
            return Ok(rate);
        }
        let mut of_country = self.rates.iter().filter(|rate| rate.country == place.country).peekable();
        if of_country.peek().is_some() && of_country.all(TaxRate::is_local) {
            return Ok(0);
        }
        let country = place.country.as_str();
        let detail = format!(
            "The shop has no tax rate for goods of the class {class} in {country} today. The shop must add one \
             before it can sell there."
        );
        Err(Error::conflict("tax-rate-missing", detail).with_member("country", country))
    }
}

impl TryFrom<Unchecked> for TaxRates {
    type Error = String;

    fn try_from(Unchecked { note, rates }: Unchecked) -> Result<Self, Self::Error> {
        Self { note, rates }.checked().map_err(|(field, problem)| format!("{field} {problem}"))
    }
}

impl TaxRates {
    /// Returns the table with the codes of regions, or the first invalid field and what is wrong
    /// with it.
    fn checked(mut self) -> Result<Self, (String, String)> {
        if self.rates.len() > MAX_RATES {
            return Err(("rates".to_owned(), format!("must have at most {MAX_RATES} rates")));
        }
        for (position, rate) in self.rates.iter_mut().enumerate().filter(|(_, rate)| rate.region.is_some()) {
            let region = rate.country.parse_region(rate.region.take());
            rate.region = region.map_err(|problem| (format!("rates.{position}.region"), problem))?;
        }
        for (position, rate) in self.rates.iter().enumerate() {
            let problem = |field: &str, problem: String| Err((format!("rates.{position}{field}"), problem));
            if rate.until.is_some_and(|until| until <= rate.from) {
                return problem(".until", "must be after from".to_owned());
            }
            if rate.class == TaxClass::Zero && rate.rate_bp.0 != 0 {
                return problem(".rate_bp", "must be 0 for the class zero".to_owned());
            }
            if let Some(other) = self.rates[..position].iter().position(|other| other.overlaps(rate)) {
                return problem("", format!("is of the same place, class and time as rates.{other}"));
            }
        }
        Ok(self)
    }
}

impl Input for TaxRates {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (note, rates) = (fields.optional("note"), fields.required_list("rates"));
        match (Self { note, rates: rates? }).checked() {
            Ok(table) => Some(table),
            Err((field, problem)) => fields.refuse(&field, &problem),
        }
    }
}

impl Input for TaxRate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (country, class) = (fields.required("country"), fields.required("class"));
        let (region, postal_codes) = (fields.optional("region"), fields.optional("postal_codes"));
        let (rate_bp, from, until) = (fields.required("rate_bp"), fields.required("from"), fields.optional("until"));
        Some(Self { country: country?, region, postal_codes, class: class?, rate_bp: rate_bp?, from: from?, until })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::input::from_json;

    use super::*;

    fn time(text: &str) -> Timestamp {
        serde_json::from_value(json!(text)).unwrap()
    }

    fn place(country: &str, region: Option<&str>, postal_code: Option<&str>) -> Location {
        Location {
            country: Country::try_from(country.to_owned()).unwrap(),
            region: region.map(ToOwned::to_owned),
            postal_code: postal_code.map(ToOwned::to_owned),
        }
    }

    fn table() -> TaxRates {
        let since = "2020-01-01T00:00:00Z";
        serde_json::from_value(json!({"rates": [
            {"country": "EE", "class": "standard", "rate_bp": 2200, "from": "2024-01-01T00:00:00+02:00", "until": "2025-07-01T00:00:00+03:00"},
            {"country": "EE", "class": "standard", "rate_bp": 2400, "from": "2025-07-01T00:00:00+03:00"},
            {"country": "EE", "class": "reduced", "rate_bp": 900, "from": since},
            {"country": "XK", "class": "standard", "rate_bp": 1800, "from": since, "until": "2025-01-01T00:00:00Z"},
            {"country": "US", "region": "CA", "class": "standard", "rate_bp": 725, "from": since},
            {"country": "US", "region": "CA", "postal_codes": "902", "class": "standard", "rate_bp": 950, "from": since},
            {"country": "US", "postal_codes": "90210", "class": "standard", "rate_bp": 975, "from": since},
        ]}))
        .unwrap()
    }

    #[test]
    fn the_most_specific_rate_of_the_day_applies() {
        use TaxClass::{Reduced, SecondReduced, Standard, Zero};
        for (place, class, now, expected) in [
            (place("EE", None, None), Standard, "2025-06-30T20:59:59Z", Ok(2200)),
            (place("EE", None, None), Standard, "2025-06-30T21:00:00Z", Ok(2400)),
            (place("EE", None, None), Reduced, "2025-08-01T00:00:00Z", Ok(900)),
            (place("EE", None, None), SecondReduced, "2025-08-01T00:00:00Z", Ok(2400)),
            (place("EE", None, None), Zero, "2025-08-01T00:00:00Z", Ok(0)),
            (place("EE", None, None), Standard, "2019-08-01T00:00:00Z", Err("tax-rate-missing")),
            (place("XK", None, None), Standard, "2025-01-01T00:00:00Z", Err("tax-rate-missing")),
            (place("LV", None, None), Standard, "2025-08-01T00:00:00Z", Err("tax-rate-missing")),
            (place("US", Some("ca"), Some("94105")), Standard, "2025-08-01T00:00:00Z", Ok(725)),
            (place("US", Some("CA"), Some("90211")), Standard, "2025-08-01T00:00:00Z", Ok(950)),
            (place("US", Some("CA"), Some("902101234")), Standard, "2025-08-01T00:00:00Z", Ok(975)),
            (place("US", Some("OR"), Some("97201")), Standard, "2025-08-01T00:00:00Z", Ok(0)),
            (place("US", None, None), Standard, "2025-08-01T00:00:00Z", Ok(0)),
        ] {
            let rate = table().rate(&place, class, time(now));
            assert_eq!(
                rate.as_ref().map_err(Error::code),
                expected.as_ref().map_err(|code| *code),
                "{place:?} {class} {now}"
            );
        }
    }

    #[test]
    fn the_sample_has_a_standard_rate_for_each_country_of_the_eu() {
        let sample = TaxRates::sample().unwrap();
        let rate = |country, class, now| sample.rate(&place(country, None, None), class, time(now)).unwrap();
        for country in crate::domain::tax::EU.split(' ') {
            assert!((1700..=2700).contains(&rate(country, TaxClass::Standard, "2026-01-01T12:00:00Z")), "{country}");
        }
        for (country, class, now, expected) in [
            ("EE", TaxClass::Standard, "2025-06-30T12:00:00Z", 2200),
            ("EE", TaxClass::Standard, "2025-07-01T12:00:00Z", 2400),
            ("FI", TaxClass::Standard, "2026-01-01T12:00:00Z", 2550),
            ("FI", TaxClass::Reduced, "2025-12-31T12:00:00Z", 1400),
            ("FI", TaxClass::Reduced, "2026-01-01T12:00:00Z", 1350),
            ("RO", TaxClass::Standard, "2025-08-01T12:00:00Z", 2100),
            ("RO", TaxClass::Reduced, "2025-08-01T12:00:00Z", 1100),
            ("SK", TaxClass::Standard, "2025-08-01T12:00:00Z", 2300),
            ("DE", TaxClass::Reduced, "2025-08-01T12:00:00Z", 700),
            ("DK", TaxClass::Reduced, "2025-08-01T12:00:00Z", 2500),
            ("CH", TaxClass::Standard, "2025-08-01T12:00:00Z", 810),
        ] {
            assert_eq!(rate(country, class, now), expected, "{country} {class} {now}");
        }
    }

    #[test]
    fn a_table_with_two_rates_for_one_moment_is_refused() {
        let rate = |from: &str, until: Option<&str>| json!({"country": "DE", "class": "standard", "rate_bp": 1900, "from": from, "until": until});
        let of = |field: &str, value: &str| json!({"country": "FR", "class": "standard", "rate_bp": 1, "from": "2024-01-01T00:00:00Z", field: value});
        let (codes, region) = (|codes| of("postal_codes", codes), |region| of("region", region));
        let (one, two, three) = ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        for (rates, is_good) in [
            (json!([rate(one, Some(two)), rate(two, None)]), true),
            (json!([rate(two, None), rate(one, Some(two))]), true),
            (json!([rate(one, None), rate(two, None)]), false),
            (json!([rate(one, Some(three)), rate(two, Some(three))]), false),
            (json!([rate(two, Some(two))]), false),
            (json!([rate(two, Some(one))]), false),
            (json!([{"country": "DE", "class": "standard", "rate_bp": 10_001, "from": one}]), false),
            (json!([{"country": "US", "region": "california", "class": "standard", "rate_bp": 1, "from": one}]), true),
            (json!([{"country": "US", "region": "Ontario", "class": "standard", "rate_bp": 1, "from": one}]), false),
            (json!([{"country": "DE", "class": "luxury", "rate_bp": 1, "from": one}]), false),
            (json!([{"country": "ZZ", "class": "standard", "rate_bp": 1, "from": one}]), false),
            (json!([{"country": "DE", "class": "zero", "rate_bp": 0, "from": one}]), true),
            (json!([{"country": "DE", "class": "zero", "rate_bp": 5, "from": one}]), false),
            (json!([codes("100..109"), codes("105..112")]), false),
            (json!([codes("105"), codes("100..109")]), false),
            (json!([codes("100..104"), codes("105..112"), codes("1051"), codes("1")]), true),
            (json!([region("Alsace"), region("ALSACE")]), false),
            (json!([region("Alsace"), region("Corse")]), true),
        ] {
            let read = serde_json::from_value::<TaxRates>(json!({"rates": rates}));
            assert_eq!(read.is_ok(), is_good, "{rates}: {read:?}");
            let read = from_json::<TaxRates>(json!({"rates": rates}));
            assert_eq!(read.is_ok(), is_good, "{rates}: {read:?}");
        }
    }

    #[test]
    fn each_bad_field_of_a_table_is_named() {
        let good = json!({"country": "DE", "class": "standard", "rate_bp": 1900.0, "from": "2024-01-01T00:00:00Z"});
        let with = |field: &str, value: Value| {
            let mut rate = good.clone();
            rate[field] = value;
            rate
        };
        for (body, named) in [
            (json!({}), vec!["rates"]),
            (json!({"rates": null}), vec!["rates"]),
            (json!({"rates": [], "rate": 1}), vec!["rate"]),
            (
                json!({"rates": [good, with("rate_bp", json!(10_001)), with("class", json!("x"))]}),
                vec!["rates.1.rate_bp", "rates.2.class"],
            ),
            (json!({"rates": [with("until", json!("2023-01-01T00:00:00Z"))]}), vec!["rates.0.until"]),
            (json!({"rates": [with("rate", json!(1))]}), vec!["rates.0.rate"]),
            (json!({"rates": [good, good]}), vec!["rates.1"]),
            (
                json!({"rates": [{"country": "US", "region": "Ontario", "class": "standard", "rate_bp": 1, "from": "2024-01-01T00:00:00Z"}]}),
                vec!["rates.0.region"],
            ),
        ] {
            let error = from_json::<TaxRates>(body.clone()).unwrap_err();
            let fields: Vec<&str> = error.fields().iter().map(|bad| &*bad.field).collect();
            assert_eq!(fields, named, "{body}");
        }
    }
}
