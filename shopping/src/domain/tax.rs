//! The place whose tax is charged, and the rule by which it is: the home country's, the
//! destination's, or none. This is a summary of the rules of the EU for distance sales of goods;
//! `docs/selling.md` describes them for merchants.

use serde::{Deserialize, Serialize};
use souk_types::Country;

use super::location::Location;
use super::settings::{ReverseCharge, Settings};
pub(crate) use super::vat_number::VatNumber;

/// The rule by which tax is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    /// A sale in the home country, or in a country where the shop is registered: its rates.
    Domestic,
    /// A sale to a consumer in another EU country, below the threshold: the home country's rates.
    Home,
    /// A sale to a consumer in another EU country by the one-stop shop: the destination's rates.
    OneStopShop,
    /// A sale to a business in another EU country with a valid VAT number: no tax, because the
    /// business pays it.
    ReverseCharge,
    /// A sale to a country outside the EU, or from outside the EU to another country: no tax.
    Export,
}

impl Scheme {
    /// Whether the sale is without tax. Prices that include tax are reduced by the home country's.
    pub(crate) fn is_untaxed(self) -> bool {
        matches!(self, Self::ReverseCharge | Self::Export)
    }
}

/// The result of the check of a VAT number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VatCheck {
    /// VIES knows the number.
    Verified,
    /// The shop checks the format only.
    Format,
    /// VIES did not answer, so that only the format is checked.
    Unverified,
    /// VIES does not know the number: the sale is taxed.
    Invalid,
}

/// The VAT area of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Area {
    /// An EU member state, without its territories outside the EU's VAT area.
    Eu(Country),
    /// In the EU's VAT area for goods, but not for services (Windsor Framework).
    NorthernIreland(Country),
    Outside(Country),
}

/// The member states.
pub(super) const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// Territories of member states outside the EU's VAT area, by postal code (Directive 2006/112/EC,
/// article 6): the Canary Islands, Ceuta, Melilla; Heligoland, Büsingen; Livigno, Campione
/// d'Italia; Mount Athos. Others, such as Åland and Réunion, have country codes of their own.
const OUTSIDE_EU: [(&str, &[&str]); 4] =
    [("ES", &["35", "38", "51", "52"]), ("DE", &["27498", "78266"]), ("IT", &["23041", "22061"]), ("GR", &["63086"])];

/// Territories whose transactions count as those of another country (article 7 of the directive).
const TREATED_AS: [(&str, &str); 2] = [("MC", "FR"), ("IM", "GB")];

/// The postal codes of Northern Ireland.
const NORTHERN_IRELAND: [&str; 1] = ["BT"];

impl Area {
    /// Returns the area of a place; for services, Northern Ireland is outside the EU.
    fn of(place: &Location, has_goods: bool) -> Self {
        let country = place.country.as_str();
        let is_outside = OUTSIDE_EU.iter().any(|(of, codes)| *of == country && place.has_postal_prefix(codes));
        if is_outside {
            Self::Outside(place.country.clone())
        } else if EU.split(' ').any(|member| member == country) {
            Self::Eu(place.country.clone())
        } else if has_goods && country == "GB" && place.has_postal_prefix(&NORTHERN_IRELAND) {
            Self::NorthernIreland(place.country.clone())
        } else {
            Self::Outside(place.country.clone())
        }
    }

    fn is_in_eu(&self) -> bool {
        matches!(self, Self::Eu(_) | Self::NorthernIreland(_))
    }

    fn country(&self) -> &Country {
        match self {
            Self::Eu(country) | Self::NorthernIreland(country) | Self::Outside(country) => country,
        }
    }

    /// Whether a sale from here to there stays in one country. The parts of the United Kingdom are
    /// one country, those of an EU member state inside and outside the VAT area are two.
    fn is_domestic(&self, to: &Self) -> bool {
        let is_eu = |area: &Self| matches!(area, Self::Eu(_));
        self.country() == to.country() && is_eu(self) == is_eu(to)
    }
}

/// The place whose rates apply, and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taxation {
    pub(crate) place: Location,
    pub(crate) scheme: Scheme,
}

/// Decides where a sale to `destination` is taxed. `vat` is the buyer's number, and whether it
/// may be relied on.
pub(crate) fn taxation(
    settings: &Settings,
    destination: &Location,
    has_goods: bool,
    vat: Option<(&VatNumber, VatCheck)>,
) -> Taxation {
    let home = settings.home();
    let destination = treated_as(destination);
    let (from, to) = (Area::of(&home, has_goods), Area::of(&destination, has_goods));
    if from.is_domestic(&to) {
        return Taxation { place: destination, scheme: Scheme::Domestic };
    }
    let is_eu_sale = from.is_in_eu() && to.is_in_eu();
    let is_business = vat.is_some_and(|(number, check)| {
        settings.reverse_charge != ReverseCharge::Off && check != VatCheck::Invalid && number.is_of(to.country())
    });
    if is_eu_sale && is_business {
        return Taxation { place: destination, scheme: Scheme::ReverseCharge };
    }
    // A registration in Spain, for example, does not cover the Canary Islands.
    let is_in_country = to.is_in_eu() || EU.split(' ').all(|member| member != to.country().as_str());
    if settings.is_registered_in(&destination.country) && is_in_country {
        return Taxation { place: destination, scheme: Scheme::Domestic };
    }
    match (is_eu_sale, settings.one_stop_shop) {
        (true, true) => Taxation { place: destination, scheme: Scheme::OneStopShop },
        (true, false) => Taxation { place: home, scheme: Scheme::Home },
        (false, _) => Taxation { place: destination, scheme: Scheme::Export },
    }
}

fn treated_as(place: &Location) -> Location {
    let other = TREATED_AS.iter().find(|(code, _)| *code == place.country.as_str());
    let country = other.and_then(|(_, country)| Country::try_from((*country).to_owned()).ok());
    country.map_or_else(|| place.clone(), |country| Location { country, ..place.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(home: &str, changes: serde_json::Value) -> Settings {
        let mut settings = serde_json::to_value(Settings::sample().unwrap()).unwrap();
        let (country, code) = home.split_once(' ').unwrap_or((home, if home == "US" { "90001" } else { "10115" }));
        let region = match country {
            "US" => Some("CA"),
            "ES" => Some("GC"),
            _ => None,
        };
        let address = json!({
            "name": "n", "line1": "l", "city": "c", "region": region, "postal_code": code, "country": country
        });
        settings["address"] = address;
        settings["home_country"] = json!(country);
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    fn place(text: &str) -> Location {
        let (country, code) = text.split_once(' ').map_or((text, None), |(country, code)| (country, Some(code)));
        let country = Country::try_from(country.to_owned()).unwrap();
        Location { postal_code: code.map(ToOwned::to_owned), ..Location::country(country) }
    }

    #[test]
    fn a_sale_is_taxed_at_home_at_the_destination_or_not() {
        use Scheme::{Domestic, Export, Home, OneStopShop, ReverseCharge};
        let (none, oss) = (json!({}), json!({"one_stop_shop": true}));
        let registered = json!({"tax_registrations": ["GB", "PL"]});
        for (home, changes, to, has_goods, country, scheme) in [
            ("DE", &none, "DE", true, "DE", Domestic),
            ("DE", &none, "FR", true, "DE", Home),
            ("DE", &oss, "FR", true, "FR", OneStopShop),
            ("DE", &oss, "FR", false, "FR", OneStopShop),
            ("DE", &oss, "MC", true, "FR", OneStopShop),
            ("DE", &oss, "GR", true, "GR", OneStopShop),
            ("DE", &oss, "US", true, "US", Export),
            ("DE", &oss, "CH", true, "CH", Export),
            ("DE", &oss, "ES 35001", true, "ES", Export),
            ("DE", &oss, "ES 28001", true, "ES", OneStopShop),
            ("DE", &oss, "DE 27498", true, "DE", Export),
            ("DE", &oss, "AX", true, "AX", Export),
            ("DE", &oss, "GB SW1A1AA", true, "GB", Export),
            ("DE", &oss, "GB BT15GS", true, "GB", OneStopShop),
            ("DE", &none, "GB BT15GS", true, "DE", Home),
            ("DE", &oss, "GB BT15GS", false, "GB", Export),
            ("DE", &registered, "GB SW1A1AA", true, "GB", Domestic),
            ("DE", &registered, "PL", true, "PL", Domestic),
            ("DE", &json!({"tax_registrations": ["ES"]}), "ES 28001", true, "ES", Domestic),
            ("DE", &json!({"tax_registrations": ["ES"]}), "ES 35001", true, "ES", Export),
            ("ES 35001", &json!({"tax_registrations": ["ES"]}), "ES 28001", true, "ES", Domestic),
            ("DE", &registered, "FR", true, "DE", Home),
            ("ES 35001", &none, "ES 35002", true, "ES", Domestic),
            ("ES 35001", &none, "ES 28001", true, "ES", Export),
            ("GB SW1A 1AA", &none, "GB BT15GS", true, "GB", Domestic),
            ("GB SW1A 1AA", &none, "IM", true, "GB", Domestic),
            ("GB SW1A 1AA", &none, "DE", true, "DE", Export),
            ("GB BT1 5GS", &oss, "DE", true, "DE", OneStopShop),
            ("US", &none, "US", true, "US", Domestic),
            ("US", &none, "DE", true, "DE", Export),
        ] {
            let taxation = taxation(&settings(home, changes.clone()), &place(to), has_goods, None);
            assert_eq!(
                (taxation.place.country.as_str(), taxation.scheme),
                (country, scheme),
                "{home} to {to} {changes}"
            );
        }
        let vat = |number: &str| VatNumber::try_from(number.to_owned()).unwrap();
        let off = json!({"reverse_charge": "off"});
        for (changes, to, number, check, scheme) in [
            (&none, "FR", "FRXX123456789", VatCheck::Verified, ReverseCharge),
            (&none, "FR", "FRXX123456789", VatCheck::Unverified, ReverseCharge),
            (&none, "FR", "FRXX123456789", VatCheck::Format, ReverseCharge),
            (&none, "FR", "FRXX123456789", VatCheck::Invalid, Home),
            (&oss, "FR", "FRXX123456789", VatCheck::Invalid, OneStopShop),
            (&off, "FR", "FRXX123456789", VatCheck::Verified, Home),
            (&none, "FR", "DE123456789", VatCheck::Verified, Home),
            (&none, "GR", "EL123456789", VatCheck::Verified, ReverseCharge),
            (&none, "GB BT15GS", "XI123456789", VatCheck::Verified, ReverseCharge),
            (&none, "GB SW1A1AA", "XI123456789", VatCheck::Verified, Export),
            (&none, "DE", "DE123456789", VatCheck::Verified, Domestic),
            (&none, "US", "DE123456789", VatCheck::Verified, Export),
        ] {
            let vat = vat(number);
            let taxation = taxation(&settings("DE", changes.clone()), &place(to), true, Some((&vat, check)));
            assert_eq!(taxation.scheme, scheme, "{to} {vat} {check:?} {changes}");
        }
    }
}
