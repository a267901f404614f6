//! Links to the tracking pages of carriers.

use souk_store::index_words;
use url::Url;

/// How a carrier's page takes the tracking number.
enum NumberPosition {
    Query(&'static str),
    PathSegment,
    Fragment(&'static str),
}

/// The first words of a carrier's name, its page, and the place of the number. As the carriers'
/// sites have them, November 2026.
const CARRIERS: [(&[&str], &str, NumberPosition); 8] = [
    (&["dhl"], "https://www.dhl.com/global-en/home/tracking.html", NumberPosition::Query("tracking-id")),
    (&["ups"], "https://www.ups.com/track", NumberPosition::Query("tracknum")),
    (&["fedex"], "https://www.fedex.com/fedextrack/", NumberPosition::Query("trknbr")),
    (&["usps"], "https://tools.usps.com/go/TrackConfirmAction", NumberPosition::Query("tLabels")),
    (&["dpd"], "https://tracking.dpd.de/status/en_US/parcel", NumberPosition::PathSegment),
    (&["gls"], "https://gls-group.eu/EU/en/parcel-tracking", NumberPosition::Query("match")),
    (&["royal", "mail"], "https://www.royalmail.com/track-your-item", NumberPosition::Fragment("/tracking-results/")),
    (&["postnl"], "https://jouw.postnl.nl/track-and-trace", NumberPosition::PathSegment),
];

/// Returns the page that shows the parcel; `None` for an unknown carrier. The case of the name does
/// not matter, and further words may follow: `DHL Express`.
pub(crate) fn url(carrier: &str, number: &str) -> Option<String> {
    let name = index_words(carrier);
    let (_, page, place) = CARRIERS
        .iter()
        .find(|(words, ..)| name.iter().map(String::as_str).take(words.len()).eq(words.iter().copied()))?;
    let mut url = Url::parse(page).ok()?;
    match place {
        NumberPosition::Query(field) => {
            url.query_pairs_mut().append_pair(field, number);
        }
        NumberPosition::PathSegment => {
            url.path_segments_mut().ok()?.push(number);
        }
        NumberPosition::Fragment(start) => {
            // A fragment is encoded like a path segment, so that the number cannot add another one.
            let mut encoded = Url::parse("https://localhost").ok()?;
            encoded.path_segments_mut().ok()?.push(number);
            url.set_fragment(Some(&format!("{start}{}", encoded.path().trim_start_matches('/'))));
        }
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_carriers_have_a_link_with_the_encoded_number() {
        for (carrier, number, expected) in [
            ("DHL", "00340434", Some("https://www.dhl.com/global-en/home/tracking.html?tracking-id=00340434")),
            ("dhl express", "1", Some("https://www.dhl.com/global-en/home/tracking.html?tracking-id=1")),
            ("UPS", "1Z 9&x=1#", Some("https://www.ups.com/track?tracknum=1Z+9%26x%3D1%23")),
            ("FedEx", "7", Some("https://www.fedex.com/fedextrack/?trknbr=7")),
            ("USPS", "94", Some("https://tools.usps.com/go/TrackConfirmAction?tLabels=94")),
            ("DPD", "01/../?a", Some("https://tracking.dpd.de/status/en_US/parcel/01%2F..%2F%3Fa")),
            ("GLS", "Z1", Some("https://gls-group.eu/EU/en/parcel-tracking?match=Z1")),
            ("Royal Mail", "AB 1/GB", Some("https://www.royalmail.com/track-your-item#/tracking-results/AB%201%2FGB")),
            ("PostNL", "3S", Some("https://jouw.postnl.nl/track-and-trace/3S")),
            ("Royal", "1", None),
            ("My Bike", "1", None),
            ("upsidedown", "1", None),
            ("", "1", None),
        ] {
            assert_eq!(url(carrier, number).as_deref(), expected, "{carrier} {number}");
        }
    }
}
