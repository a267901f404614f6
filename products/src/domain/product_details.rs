//! The details of a product that admins edit and customers see.

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{MultilineText, Price, Text};

/// The details of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetails {
    /// The name.
    pub name: Text<1, 200>,
    /// The description.
    pub description: MultilineText<0, 5000>,
    /// The category.
    pub category: Category,
    /// The price of one unit.
    pub price: Price,
    /// The unit of sale, such as `piece` or `100 g`.
    pub unit: Text<1, 20>,
    /// The supplier.
    pub supplier: Option<Text<1, 100>>,
    /// The image.
    pub image: Option<ImageUrl>,
}

pub(crate) type Category = Text<1, 50>;

/// The URL of an image: a path of this shop or an absolute `http(s)` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text<1, 500>", into = "String")]
pub struct ImageUrl(String);

impl TryFrom<Text<1, 500>> for ImageUrl {
    type Error = &'static str;

    fn try_from(text: Text<1, 500>) -> Result<Self, Self::Error> {
        let is_known = ["/", "https://", "http://"].iter().any(|prefix| text.starts_with(prefix));
        // Browsers resolve `//host` to another host.
        let is_relative_to_scheme = text.starts_with("//");
        let is_unsafe = text.chars().any(|c| c.is_whitespace() || matches!(c, '"' | '<' | '>'));
        if !is_known || is_relative_to_scheme || is_unsafe {
            return Err("must be a path that begins with / or an http(s) address");
        }
        Ok(Self(text.into()))
    }
}

impl From<ImageUrl> for String {
    fn from(image: ImageUrl) -> Self {
        image.0
    }
}

impl Input for ProductDetails {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.required("description");
        let category = fields.required("category");
        let price = fields.required_object("price");
        let unit = fields.optional("unit");
        let supplier = fields.optional("supplier");
        let image = fields.optional("image");
        Some(Self {
            name: name?,
            description: description?,
            category: category?,
            price: price?,
            unit: match unit {
                Some(unit) => unit,
                None => Text::try_from("piece".to_owned()).ok()?,
            },
            supplier,
            image,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn image_urls_are_paths_or_http_urls() {
        for (image, is_valid) in [
            ("/products/images/tea.svg", true),
            ("https://example.com/tea.svg", true),
            ("//example.com/tea.svg", false),
            ("javascript:alert(1)", false),
            ("tea.svg", false),
            ("/a\"onerror=x", false),
        ] {
            assert_eq!(serde_json::from_value::<ImageUrl>(json!(image)).is_ok(), is_valid, "{image}");
        }
    }
}
