//! Countries and their postal codes.

use serde::{Deserialize, Serialize};

/// A country's two-letter code (ISO 3166-1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Country(String);

/// Every assigned code (the `iso-codes` of Debian, February 2026), and `XK`, which postal services
/// use for Kosovo.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Countries whose addresses need a postal code: those of Google's libaddressinput with `Z` in
/// `require` (September 2024). The others have no postal codes (Hong Kong, the Emirates), or
/// deliver without (Ireland). The form of a code is not checked, because countries change theirs.
const POSTAL_CODE_REQUIRED: &str = "\
    AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE JP KR LI \
    LT LU LV MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SG SH SJ SK SM TC TR TW UA US VI WF \
    YT ZA";

impl Country {
    /// Returns the code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an address in this country needs a postal code.
    #[must_use]
    pub fn requires_postal_code(&self) -> bool {
        contains(POSTAL_CODE_REQUIRED, &self.0)
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if contains(COUNTRIES, &text) { Ok(Self(text)) } else { Err("is not an ISO 3166 two-letter country code") }
    }
}

fn contains(codes: &str, code: &str) -> bool {
    code.len() == 2 && codes.split(' ').any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries_and_kosovo() {
        let codes: Vec<&str> = COUNTRIES.split(' ').collect();
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|a, b| a < b) && codes.iter().all(|code| code.len() == 2));
        assert!(POSTAL_CODE_REQUIRED.split(' ').all(|code| codes.contains(&code)));
    }

    #[test]
    fn some_countries_need_a_postal_code() {
        for (code, is_required) in [
            ("DE", true),
            ("US", true),
            ("GB", true),
            ("PT", true),
            ("HK", false),
            ("AE", false),
            ("IE", false),
            ("PA", false),
            ("EG", false),
        ] {
            let country = Country::try_from(code.to_owned()).ok().unwrap();
            assert_eq!(country.requires_postal_code(), is_required, "{code}");
        }
    }
}
