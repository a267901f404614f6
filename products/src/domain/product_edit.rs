//! The bodies with which admins create and edit products.

use serde::Serialize;
use souk_types::input::{Fields, Input};
use souk_types::{MultilineText, Price, TaxClass, Text};

use super::image_url::ImageUrl;
use super::product_details::{Category, ProductDetails};
use super::stock_change::AvailableQuantity;
use super::weight::Weight;

/// The body of `POST /`.
#[derive(Debug, Serialize)]
pub struct NewProduct {
    pub(crate) details: ProductDetails,
    /// 0 when absent.
    pub(crate) available: Option<AvailableQuantity>,
}

impl Input for NewProduct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let available = fields.optional("available");
        Some(Self { details: ProductDetails::read(fields)?, available })
    }
}

/// The body of `PUT /{id}`.
pub struct ProductReplacement(pub(crate) ProductDetails);

impl Input for ProductReplacement {
    fn read(fields: &mut Fields) -> Option<Self> {
        forbid_server_fields(fields);
        Some(Self(ProductDetails::read(fields)?))
    }
}

/// The body of `PATCH /{id}`. Absent fields keep their value.
#[derive(Clone)]
pub struct ProductPatch {
    name: Option<Text<1, 200>>,
    description: Option<MultilineText<0, 5000>>,
    category: Option<Category>,
    price: Option<Price>,
    unit: Option<Text<1, 20>>,
    supplier: Option<Option<Text<1, 100>>>,
    image: Option<Option<ImageUrl>>,
    tax_class: Option<TaxClass>,
    weight_grams: Option<Weight>,
    digital: Option<bool>,
}

impl Input for ProductPatch {
    fn read(fields: &mut Fields) -> Option<Self> {
        forbid_server_fields(fields);
        Some(Self {
            name: fields.optional_non_null("name"),
            description: fields.optional_non_null("description"),
            category: fields.optional_non_null("category"),
            price: fields.optional_object("price"),
            unit: fields.optional_non_null("unit"),
            supplier: fields.patch("supplier"),
            image: fields.patch("image"),
            tax_class: fields.optional_non_null("tax_class"),
            weight_grams: fields.optional_non_null("weight_grams"),
            digital: fields.optional_non_null("digital"),
        })
    }
}

impl ProductPatch {
    pub(crate) fn apply(self, details: ProductDetails) -> ProductDetails {
        ProductDetails {
            name: self.name.unwrap_or(details.name),
            description: self.description.unwrap_or(details.description),
            category: self.category.unwrap_or(details.category),
            price: self.price.unwrap_or(details.price),
            unit: self.unit.unwrap_or(details.unit),
            supplier: self.supplier.unwrap_or(details.supplier),
            image: self.image.unwrap_or(details.image),
            tax_class: self.tax_class.unwrap_or(details.tax_class),
            weight_grams: self.weight_grams.unwrap_or(details.weight_grams),
            digital: self.digital.unwrap_or(details.digital),
        }
    }
}

/// Refuses fields that only the server sets, and that a client sends when it returns a whole
/// product.
fn forbid_server_fields(fields: &mut Fields) {
    fields.forbid("available", "is changed with PATCH or PUT /products/{id}/stock");
    fields.forbid("version", "belongs into the header If-Match, in quotes");
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::input::from_json;

    use super::*;
    use crate::domain::product::tests::tea;

    #[test]
    fn a_patch_keeps_sets_and_clears_fields() {
        let patch = |body| from_json::<ProductPatch>(body).unwrap();
        let details = tea().listing().unwrap().details.clone();
        let details = patch(json!({"supplier": "Ana", "unit": "100 g"})).apply(details);
        assert_eq!((details.supplier.as_deref(), &*details.unit, &*details.name), (Some("Ana"), "100 g", "Tea"));
        let details = patch(json!({"supplier": null})).apply(details);
        assert_eq!(details.supplier, None);
        let details = patch(json!({"tax_class": "reduced", "weight_grams": 120})).apply(details);
        let details = patch(json!({"digital": true})).apply(details);
        assert_eq!((details.tax_class, details.weight_grams.grams(), details.digital), (TaxClass::Reduced, 120, true));
    }

    #[test]
    fn a_patch_refuses_a_null_name_and_stock() {
        for field in ["name", "tax_class", "weight_grams", "digital"] {
            let refused = from_json::<ProductPatch>(json!({field: null})).err().unwrap();
            assert_eq!(refused.fields()[0].field, field);
        }
        assert!(from_json::<ProductPatch>(json!({"available": 3})).is_err());
        assert!(from_json::<ProductPatch>(json!({"version": 3})).is_err());
    }
}
