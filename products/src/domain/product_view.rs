//! The public representation of a product.

use serde::Serialize;
use souk_contract::products::ProductId;
use souk_types::EntityTag;

use super::product_details::ProductDetails;

/// A product in a response.
#[derive(Debug, Serialize)]
pub struct ProductView {
    pub(super) id: ProductId,
    #[serde(flatten)]
    pub(super) details: ProductDetails,
    pub(super) available: u32,
    pub(super) version: u64,
}

impl ProductView {
    /// Returns the entity tag: the version and the available quantity, the parts that change.
    pub(crate) fn tag(&self) -> EntityTag {
        EntityTag::strong(format_args!("{}-{}", self.version, self.available))
    }

    /// The product's id.
    #[must_use]
    pub fn id(&self) -> ProductId {
        self.id
    }

    /// The available quantity.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available
    }

    /// The details.
    #[must_use]
    pub fn details(&self) -> &ProductDetails {
        &self.details
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::product::tests::tea;

    #[test]
    fn a_product_has_exactly_the_documented_fields() {
        let view = serde_json::to_value(tea().into_view().unwrap()).unwrap();
        let mut fields: Vec<&str> = view.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let documented = [
            "available",
            "category",
            "description",
            "digital",
            "id",
            "image",
            "name",
            "price",
            "supplier",
            "tax_class",
            "unit",
            "version",
            "weight_grams",
        ];
        assert_eq!(fields, documented);
        for (field, default) in [
            ("unit", json!("piece")),
            ("version", json!(1)),
            ("supplier", json!(null)),
            ("tax_class", json!("standard")),
            ("weight_grams", json!(0)),
            ("digital", json!(false)),
        ] {
            assert_eq!(view[field], default, "{field}");
        }
    }
}
