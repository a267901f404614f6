//! The picture of a product that has none: its initials on a tint.

/// Tints of `catalogue.css`.
pub(crate) const TINTS: [&str; 6] = ["tint-0", "tint-1", "tint-2", "tint-3", "tint-4", "tint-5"];

/// Returns the class of the tint of a name: always the same for one name.
fn tint(name: &str) -> &'static str {
    // FNV-1a (https://datatracker.ietf.org/doc/draft-eastlake-fnv): any hash that spreads names
    // will do.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    TINTS[hash as usize % TINTS.len()]
}

/// Returns the picture as SVG. It has only letters and digits of the name.
pub(crate) fn svg(name: &str) -> String {
    format!(
        "<svg class=\"placeholder {}\" viewBox=\"0 0 400 400\" aria-hidden=\"true\" focusable=\"false\"><circle cx=\"200\" \
         cy=\"200\" r=\"120\"/><circle cx=\"200\" cy=\"200\" r=\"168\"/><text x=\"200\" y=\"204\">{}</text></svg>",
        tint(name),
        initials(name)
    )
}

/// Returns the first letters of the first two words.
fn initials(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(2).filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_initials_and_no_markup_of_the_name() {
        for (name, expected) in [("Bud vase, celadon", "BV"), ("éclair", "É"), ("<b>x", "BX"), ("!!!", "")] {
            assert_eq!(initials(name), expected, "{name}");
        }
        assert!(!svg("<script>alert(1)").contains("<script"));
        assert_eq!(tint("tea"), tint("tea"));
    }
}
