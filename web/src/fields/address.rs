//! The fields of a postal address. They follow the country: its regions are a list, and an example
//! shows the form of its postal codes.

use serde_json::{Map, Value, json};
use souk_types::{Address, Country, sort_key};

use super::{Field, FormState, Kind, SelectOption};
use crate::locale::{Key, Language};

/// The parts of an address, in the order of the form.
pub(crate) const PARTS: [&str; 9] =
    ["country", "name", "company", "line1", "line2", "postal_code", "city", "region", "phone"];

/// The parts that a price depends on.
const PRICED: [&str; 3] = ["country", "postal_code", "region"];

/// The fields of one address in a form. Their names begin with a prefix, such as `billing-`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressForm<'a> {
    pub(crate) prefix: &'a str,
    /// The section of `autocomplete`: `shipping`, `billing` or empty.
    pub(crate) section: &'a str,
    /// The countries that can be chosen; `None` for all.
    pub(crate) countries: Option<&'a [Country]>,
}

impl AddressForm<'_> {
    /// Returns the fields with the values and errors of the form.
    pub(crate) fn fields(&self, language: Language, state: &FormState) -> Vec<Field> {
        let country = self.country(state);
        PARTS.iter().map(|part| self.field(language, state, part, country.as_ref())).collect()
    }

    /// Writes an address into the form.
    pub(crate) fn fill(&self, state: &mut FormState, address: &Address) {
        let phone = address.phone().map(|phone| phone.as_str().to_owned());
        let parts = [
            ("country", Some(address.country().as_str())),
            ("name", Some(address.name())),
            ("company", address.company()),
            ("line1", Some(address.line1())),
            ("line2", address.line2()),
            ("postal_code", address.postal_code()),
            ("city", Some(address.city())),
            ("region", address.region()),
            ("phone", phone.as_deref()),
        ];
        for (part, value) in parts {
            state.set(&self.name(part), value.unwrap_or_default());
        }
    }

    /// Returns the address as JSON for a service.
    pub(crate) fn json(&self, state: &FormState) -> Value {
        PARTS
            .iter()
            .map(|part| ((*part).to_owned(), json!(state.optional(&self.name(part)))))
            .collect::<Map<_, _>>()
            .into()
    }

    /// Returns the address as JSON for a quote. A price depends on the place alone, so the visitor
    /// sees it before the name and the street are known.
    pub(crate) fn json_of_place(&self, state: &FormState) -> Value {
        let mut address = self.json(state);
        for part in ["name", "line1", "city"] {
            if address[part].is_null() {
                address[part] = "-".into();
            }
        }
        address["phone"] = Value::Null;
        address
    }

    /// Whether nothing but the country is filled in.
    pub(crate) fn is_blank(&self, state: &FormState) -> bool {
        PARTS.iter().skip(1).all(|part| state.optional(&self.name(part)).is_none())
    }

    /// Whether the form says nothing about the place yet: it is blank, and its country is that of
    /// the shop, with which it begins.
    pub(crate) fn has_no_place(&self, state: &FormState, home: Option<&Country>) -> bool {
        self.is_blank(state) && self.is_at_home(state, home)
    }

    /// Whether the country is that of the shop, or none.
    pub(crate) fn is_at_home(&self, state: &FormState, home: Option<&Country>) -> bool {
        state.optional(&self.name("country")).is_none_or(|country| home.is_some_and(|home| home.as_str() == country))
    }

    fn country(&self, state: &FormState) -> Option<Country> {
        Country::try_from(state.value(&self.name("country")).to_owned()).ok()
    }

    fn name(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }

    fn field(&self, language: Language, state: &FormState, part: &str, country: Option<&Country>) -> Field {
        let mut field = Field::new(state, &self.name(part), language.text(label(part)));
        let (token, max) = match part {
            "name" => ("name", 100),
            "company" => ("organization", 100),
            "line1" => ("address-line1", 200),
            "line2" => ("address-line2", 200),
            "postal_code" => ("postal-code", 20),
            "city" => ("address-level2", 100),
            "region" => ("address-level1", 50),
            "phone" => ("tel", 30),
            _ => ("country", 2),
        };
        format!("{} {token}", self.section).trim().clone_into(&mut field.autocomplete);
        field.max = max;
        field.is_priced = PRICED.contains(&part);
        field.is_required = match part {
            "company" | "line2" | "phone" => false,
            "region" => country.is_some_and(Country::requires_region),
            "postal_code" => country.is_none_or(Country::requires_postal_code),
            _ => true,
        };
        match part {
            "country" => (field.kind, field.options) = (Kind::Select, self.countries(language, country)),
            "region" => {
                field.options = regions(language, country, &field.value);
                if !field.options.is_empty() {
                    field.kind = Kind::Select;
                }
            }
            "postal_code" | "city" => field.is_wide = false,
            "phone" => {
                field.kind = Kind::Phone;
                let is_billing = self.section == "billing";
                let hint = if is_billing { Key("address-phone-hint-billing") } else { Key("address-phone-hint") };
                field.hint = Some(language.text(hint).to_string());
            }
            _ => {}
        }
        field
    }

    /// Returns the countries in the order of their names.
    fn countries(&self, language: Language, chosen: Option<&Country>) -> Vec<SelectOption> {
        let option = |country: &Country| SelectOption {
            value: country.as_str().to_owned(),
            label: country_name(language, country),
            is_selected: Some(country) == chosen,
        };
        let mut options: Vec<SelectOption> = match self.countries {
            Some(countries) => countries.iter().map(option).collect(),
            None => Country::all().map(|country| option(&country)).collect(),
        };
        options.sort_by_cached_key(|option| sort_key(&option.label));
        if !options.iter().any(|option| option.is_selected) {
            options.insert(0, choose(language));
        }
        options
    }
}

/// Returns the name of a country.
pub(crate) fn country_name(language: Language, country: &Country) -> String {
    let key = country.as_str().to_ascii_lowercase();
    language.text_of_code("country-", &key).unwrap_or_else(|| country.name().to_owned())
}

/// Returns an address for people, line by line. The country is left out if it is that of the shop.
pub(crate) fn lines(language: Language, address: &Address, home: Option<&Country>) -> Vec<String> {
    let place = [address.postal_code(), Some(address.city())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let place = [Some(place.as_str()), address.region_name()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let country = Some(address.country()).filter(|country| home != Some(*country));
    let country = country.map(|country| country_name(language, country));
    let lines = [Some(address.name()), address.company(), Some(address.line1()), address.line2(), Some(place.as_str())];
    lines.into_iter().flatten().map(ToOwned::to_owned).chain(country).collect()
}

/// Returns the message about a refused part of an address; `None` for another field.
pub(crate) fn message(language: Language, state: &FormState, field: &str) -> Option<String> {
    let (prefix, part) = PARTS.iter().find_map(|part| Some((field.strip_suffix(part)?, *part)))?;
    if !prefix.is_empty() && !prefix.ends_with('-') {
        return None;
    }
    let country = Country::try_from(state.value(&format!("{prefix}country")).to_owned()).ok();
    let key = match part {
        "country" => Key("address-country-invalid"),
        "name" => Key("address-name-invalid"),
        "company" => Key("address-company-invalid"),
        "line1" => Key("address-line1-invalid"),
        "line2" => Key("address-line2-invalid"),
        "city" => Key("address-city-invalid"),
        "region" => Key("address-region-invalid"),
        "phone" => Key("field-phone-invalid"),
        _ => {
            let example = country.as_ref().and_then(Country::postal_code_example);
            let (Some(country), Some(example)) = (&country, example) else {
                return Some(language.text("address-postal-code-required").to_string());
            };
            let text = language.text("address-postal-code-invalid").arg("example", example);
            return Some(text.arg("country", country_name(language, country)).to_string());
        }
    };
    Some(language.text(key).to_string())
}

fn regions(language: Language, country: Option<&Country>, value: &str) -> Vec<SelectOption> {
    let regions = country.into_iter().flat_map(Country::regions);
    let mut options: Vec<SelectOption> = regions
        .map(|(code, name)| SelectOption { value: code.to_owned(), label: name.to_owned(), is_selected: code == value })
        .collect();
    if !options.is_empty() && !options.iter().any(|option| option.is_selected) {
        options.insert(0, choose(language));
    }
    options
}

/// Returns the first line of a list in which nothing is chosen yet.
fn choose(language: Language) -> SelectOption {
    SelectOption { value: String::new(), label: language.text("field-choose").to_string(), is_selected: true }
}

fn label(part: &str) -> Key {
    match part {
        "name" => Key("address-name"),
        "company" => Key("address-company"),
        "line1" => Key("address-line1"),
        "line2" => Key("address-line2"),
        "postal_code" => Key("address-postal-code"),
        "city" => Key("address-city"),
        "region" => Key("address-region"),
        "phone" => Key("address-phone"),
        _ => Key("address-country"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: AddressForm<'_> = AddressForm { prefix: "billing-", section: "billing", countries: None };

    fn state(country: &str) -> FormState {
        let mut state = FormState::default();
        state.set("billing-country", country);
        state
    }

    fn field(country: &str, part: &str) -> Field {
        let fields = FORM.fields(Language::English, &state(country));
        fields.into_iter().find(|field| field.name == format!("billing-{part}")).unwrap()
    }

    #[test]
    fn the_fields_follow_the_country() {
        for (country, part, kind, is_required) in [
            ("DE", "region", Kind::Text, false),
            ("US", "region", Kind::Select, true),
            ("DE", "postal_code", Kind::Text, true),
            ("IE", "postal_code", Kind::Text, false),
            ("", "postal_code", Kind::Text, true),
            ("DE", "country", Kind::Select, true),
        ] {
            let field = field(country, part);
            assert_eq!((field.kind, field.is_required), (kind, is_required), "{country} {part}");
        }
        assert_eq!(field("DE", "postal_code").autocomplete, "billing postal-code");
    }

    #[test]
    fn countries_are_sorted_by_their_names_in_the_language() {
        let only = ["DE", "AT", "CH"].map(|code| Country::try_from(code.to_owned()).unwrap());
        let form = AddressForm { countries: Some(&only), ..FORM };
        for (language, expected) in [(Language::English, ["AT", "DE", "CH"]), (Language::German, ["DE", "AT", "CH"])] {
            let options = form.countries(language, only.first());
            let codes: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
            assert_eq!(codes, expected);
        }
        assert_eq!(form.countries(Language::English, None)[0].value, "", "nothing is chosen");
    }

    #[test]
    fn a_message_says_what_to_enter() {
        let message = |country: &str, field: &str| message(Language::English, &state(country), field);
        assert!(message("DE", "billing-postal_code").is_some_and(|text| text.contains("Germany")));
        assert!(message("", "billing-postal_code").is_some());
        assert_eq!(message("DE", "username"), None);
        assert_eq!(message("DE", "email"), None);
    }

    #[test]
    fn a_quote_needs_the_place_only() {
        let mut state = state("US");
        assert!(FORM.is_blank(&state));
        state.set("billing-postal_code", "10001");
        state.set("billing-phone", "half a number");
        let place = FORM.json_of_place(&state);
        assert_eq!(
            (&place["name"], &place["postal_code"], &place["phone"]),
            (&json!("-"), &json!("10001"), &Value::Null)
        );
        assert_eq!(FORM.json(&state)["name"], Value::Null);
        assert!(!FORM.is_blank(&state));
    }

    #[test]
    fn another_country_is_a_place() {
        let home = Country::try_from("DE".to_owned()).unwrap();
        for (country, home, expected) in
            [("DE", Some(&home), true), ("", Some(&home), true), ("CH", Some(&home), false), ("DE", None, false)]
        {
            assert_eq!(FORM.has_no_place(&state(country), home), expected, "{country}");
        }
        let mut typed = state("DE");
        typed.set("billing-city", "Berlin");
        assert!(!FORM.has_no_place(&typed, Some(&home)));
    }
}
