//! The details of a product that admins edit and customers see.

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{MultilineText, Price, Text};

use super::image_url::ImageUrl;

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
