//! The details of a product that admins edit and customers see.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{MultilineText, Price, TaxClass, Text};

use super::image_url::ImageUrl;
use super::weight::Weight;

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
    /// The tax class.
    pub tax_class: TaxClass,
    /// The weight of one unit.
    pub weight_grams: Weight,
    /// Whether it is delivered without a parcel: a download, a voucher, a service.
    pub digital: bool,
}

/// The name of a category. It is a segment of a path, which `.` and `..` cannot be (RFC 3986,
/// section 5.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "Text<1, 50>")]
pub struct Category(Text<1, 50>);

impl TryFrom<String> for Category {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let name = Text::try_from(name)?;
        if matches!(&*name, "." | "..") {
            return Err("must not be . or .., because it is a segment of a path".to_owned());
        }
        Ok(Self(name))
    }
}

impl From<Category> for Text<1, 50> {
    fn from(Category(name): Category) -> Self {
        name
    }
}

impl Deref for Category {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
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
        let tax_class = fields.optional("tax_class");
        let weight_grams = fields.optional("weight_grams");
        let digital = fields.optional("digital");
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
            tax_class: tax_class.unwrap_or_default(),
            weight_grams: weight_grams.unwrap_or_default(),
            digital: digital.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_category_can_be_read_at_its_path() {
        for (name, is_category) in
            [("tea", true), ("...", true), (".a", true), (".", false), (" .. ", false), ("", false)]
        {
            assert_eq!(serde_json::from_value::<Category>(json!(name)).is_ok(), is_category, "{name:?}");
        }
    }
}
