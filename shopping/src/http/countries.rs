//! The route of countries and regions, for forms of addresses.

use rocket::get;
use rocket::serde::json::Json as JsonResponse;
use serde::Serialize;
use souk_http::Public;
use souk_types::{Country, Page, sort_key};

/// A country, and what an address in it needs.
#[derive(Serialize)]
pub(super) struct CountryView {
    code: String,
    /// The English name.
    name: &'static str,
    requires_region: bool,
    requires_postal_code: bool,
    /// A postal code in the form of the country; `None` when codes have no form.
    postal_code_example: Option<&'static str>,
    /// Empty where a region is free text.
    regions: Vec<RegionView>,
}

#[derive(Serialize)]
struct RegionView {
    code: &'static str,
    name: &'static str,
}

impl From<&Country> for CountryView {
    fn from(country: &Country) -> Self {
        Self {
            code: country.as_str().to_owned(),
            name: country.name(),
            requires_region: country.requires_region(),
            requires_postal_code: country.requires_postal_code(),
            postal_code_example: country.postal_code_example(),
            regions: country.regions().map(|(code, name)| RegionView { code, name }).collect(),
        }
    }
}

#[get("/countries")]
pub(super) fn list_countries() -> Public<JsonResponse<Page<CountryView>>> {
    let mut countries: Vec<Country> = Country::all().collect();
    countries.sort_by_cached_key(|country| sort_key(country.name()));
    Public(JsonResponse(Page::single(countries.iter().map(CountryView::from).collect())))
}
