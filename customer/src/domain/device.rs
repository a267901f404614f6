//! The device of a session, as far as its `User-Agent` tells (RFC 9110, section 10.1.5). The header
//! itself is not stored: its versions would make a customer recognisable.

use serde::{Deserialize, Serialize};
use souk_types::{Language, Network};

/// A browser and its operating system. A part is `None` when the header does not name a known one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    browser: Option<Browser>,
    system: Option<System>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Browser {
    Chrome,
    Edge,
    Firefox,
    Opera,
    Safari,
    #[serde(rename = "Samsung Internet")]
    Samsung,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum System {
    Android,
    #[serde(rename = "ChromeOS")]
    ChromeOs,
    #[serde(rename = "iOS")]
    Ios,
    Linux,
    #[serde(rename = "macOS")]
    MacOs,
    Windows,
}

/// Browsers by their products, in the order in which they are looked for: most browsers name others
/// as well.
const BROWSERS: [(&str, Browser); 9] = [
    ("Edg", Browser::Edge),
    ("OPR/", Browser::Opera),
    ("SamsungBrowser/", Browser::Samsung),
    ("FxiOS/", Browser::Firefox),
    ("Firefox/", Browser::Firefox),
    ("CriOS/", Browser::Chrome),
    ("Chrome/", Browser::Chrome),
    ("Chromium/", Browser::Chrome),
    ("Safari/", Browser::Safari),
];

/// Systems by their words, in the order in which they are looked for.
const SYSTEMS: [(&str, System); 8] = [
    ("Windows", System::Windows),
    ("Android", System::Android),
    ("iPhone", System::Ios),
    ("iPad", System::Ios),
    ("CrOS", System::ChromeOs),
    ("Macintosh", System::MacOs),
    ("Mac OS X", System::MacOs),
    ("Linux", System::Linux),
];

impl Device {
    /// Reads the value of a `User-Agent` header.
    pub(crate) fn from_user_agent(value: &str) -> Self {
        fn find<T: Copy>(value: &str, known: &[(&str, T)]) -> Option<T> {
            known.iter().find(|(word, _)| value.contains(word)).map(|(_, found)| *found)
        }
        Self { browser: find(value, &BROWSERS), system: find(value, &SYSTEMS) }
    }
}

/// Where a sign-in comes from.
#[derive(Clone, Copy)]
pub(crate) struct ClientInfo {
    pub(crate) network: Network,
    pub(crate) device: Device,
    /// The language of the account's mails from now on; `None` leaves it as it is.
    pub(crate) language: Option<Language>,
}

/// A client of an unknown device.
impl From<Network> for ClientInfo {
    fn from(network: Network) -> Self {
        Self { network, device: Device::default(), language: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_and_systems_are_recognised() {
        let webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for (value, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), ["Firefox", "Linux"]),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0".to_owned(),
                ["Edge", "Windows"],
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36".to_owned(),
                ["Chrome", "Android"],
            ),
            (
                format!("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {webkit} Version/18.0 Safari/604.1"),
                ["Safari", "iOS"],
            ),
            (
                format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Version/18.0 Safari/605.1.15"),
                ["Safari", "macOS"],
            ),
            (format!("Mozilla/5.0 (iPad; CPU OS 18_0) {webkit} FxiOS/140.0 Safari/604.1"), ["Firefox", "iOS"]),
        ] {
            let [browser, system] = expected;
            let expected = serde_json::json!({"browser": browser, "system": system});
            assert_eq!(serde_json::to_value(Device::from_user_agent(&value)).unwrap(), expected, "{value}");
        }
        for unknown in ["", "curl/8.5.0", "\u{1f980}"] {
            assert_eq!(Device::from_user_agent(unknown), Device::default());
        }
    }
}
