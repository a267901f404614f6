//! Discounts: codes and automatic ones, what they take off, and when they apply.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_contract::shopping::MAX_CODE;
use souk_types::input::{Fields, Input, from_json};
use souk_types::{
    Currency, EntityTag, Error, FieldError, Id, Integer, Money, Precondition, Price, Result, Text, Timestamp,
};

use super::quote::optional_object;
use super::rounding::WHOLE_BP;

const MAX_LIMIT: u32 = 1_000_000;
/// Maximum number of products or categories that a discount names.
const MAX_NAMED: usize = 100;

/// The id of a discount.
pub(crate) type DiscountId = Id<Discount>;

/// A discount. Without a code it applies to each order that meets its conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Discount {
    pub(crate) id: DiscountId,
    /// Counts the changes, for the entity tag.
    pub(crate) version: u64,
    /// The code in the form in which codes are compared. Unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folded_code: Option<String>,
    #[serde(flatten)]
    pub(crate) terms: Terms,
}

/// The terms of a discount, as an admin sets them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Terms {
    pub(crate) code: Option<Code>,
    #[serde(flatten)]
    pub(crate) benefit: Benefit,
    /// The smallest total of the goods, before discounts.
    pub(crate) minimum: Option<Price>,
    /// Uses in all.
    pub(crate) limit: Option<Limit>,
    /// Uses of one account or e-mail address.
    pub(crate) per_customer: Option<Limit>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// The products that it takes something off, besides those of `categories`. Both empty: all.
    pub(crate) products: Vec<ProductId>,
    pub(crate) categories: Vec<Text<1, 100>>,
    /// Whether it combines with the other discounts that combine.
    pub(crate) combines: bool,
}

/// What a discount takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub(crate) enum Benefit {
    /// A part of the goods, in basis points.
    Percent(BasisPoints),
    /// An amount, at most the price of the goods.
    Amount(Price),
    /// The price of shipping.
    FreeShipping,
}

/// A part in basis points, 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u32")]
pub(crate) struct BasisPoints(u32);

impl TryFrom<Integer> for BasisPoints {
    type Error = String;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u32::try_from(number.get()) {
            Ok(bp @ 1..=WHOLE_BP) => Ok(Self(bp)),
            _ => Err(format!("must be 1 to {WHOLE_BP} basis points")),
        }
    }
}

impl From<BasisPoints> for u32 {
    fn from(percentage: BasisPoints) -> Self {
        percentage.0
    }
}

/// A number of uses, 1 to [`MAX_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u32")]
pub(crate) struct Limit(u32);

impl Limit {
    pub(crate) const LARGEST: Self = Self(MAX_LIMIT);

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<Integer> for Limit {
    type Error = String;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u32::try_from(number.get()) {
            Ok(uses @ 1..=MAX_LIMIT) => Ok(Self(uses)),
            _ => Err(format!("must be between 1 and {MAX_LIMIT}")),
        }
    }
}

impl From<Limit> for u32 {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

/// A discount code, as a client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Code(Text<1, MAX_CODE>);

impl Code {
    /// Returns the form in which codes are compared: lower case, in Normalization Form C, without
    /// spaces.
    pub(crate) fn folded(&self) -> String {
        self.0.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
    }
}

impl Code {
    /// Whether a person can read it out and type it: it consists of letters, digits, `-` and `_`.
    fn is_writable(&self) -> bool {
        self.0.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a code does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DiscountRefusal {
    /// No discount has the code.
    Unknown,
    NotStarted,
    Expired,
    /// The total of the goods is below the minimum.
    BelowMinimum,
    /// No product is one of the discount's.
    NoProduct,
    /// All uses are taken.
    LimitReached,
    /// This customer has had all of theirs.
    CustomerLimitReached,
    /// Another discount, or several that combine, take off more.
    NotCombinable,
    /// The order is cheaper without it, because its total reaches that of free shipping.
    NoGain,
    /// It is in another currency than the shop.
    OtherCurrency,
}

impl DiscountRefusal {
    /// Returns the reason as the end of a sentence.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unknown => "no discount has it",
            Self::NotStarted => "it is not valid yet",
            Self::Expired => "it has expired",
            Self::BelowMinimum => "the total of the goods is below its minimum",
            Self::NoProduct => "none of the products has this discount",
            Self::LimitReached => "all its uses have been taken",
            Self::CustomerLimitReached => "you have used it as often as it allows",
            Self::NoGain => "the order is cheaper without it",
            Self::NotCombinable => "it cannot be combined with the other discounts",
            Self::OtherCurrency => "it is in another currency",
        }
    }
}

impl Discount {
    pub(crate) fn new(terms: Terms) -> Self {
        Self { id: DiscountId::new(), version: 1, folded_code: terms.code.as_ref().map(Code::folded), terms }
    }

    /// Changes the terms. Errors: `precondition-failed`; those of [`TermsPatch::apply`] and
    /// [`Terms::require_usable`].
    pub(crate) fn patch(self, patch: &TermsPatch, precondition: &Precondition, currency: Currency) -> Result<Self> {
        self.check(precondition)?;
        let terms = patch.apply(&self.terms)?;
        terms.require_usable(Some(&self.terms), currency)?;
        Ok(Self { id: self.id, version: self.version + 1, ..Self::new(terms) })
    }

    /// Errors: `precondition-failed` when the client has seen another version.
    pub(crate) fn check(&self, precondition: &Precondition) -> Result<()> {
        let stale = |error: Error| error.with_member("version", self.version);
        precondition.check(|tag| tag == self.version.to_string()).map_err(stale)
    }

    /// Returns the entity tag.
    pub(crate) fn tag(&self) -> EntityTag {
        EntityTag::strong(self.version)
    }

    pub(crate) fn is_free_shipping(&self) -> bool {
        self.terms.benefit == Benefit::FreeShipping
    }

    /// Whether its uses are counted.
    pub(crate) fn is_limited(&self) -> bool {
        self.terms.limit.is_some() || self.terms.per_customer.is_some()
    }
}

impl Terms {
    /// Checks what is new against the rules for new terms. What is stored stays usable: its code
    /// may be older than the rule, and the shop may have changed its currency. Errors:
    /// `validation`.
    pub(crate) fn require_usable(&self, before: Option<&Self>, currency: Currency) -> Result<()> {
        let mut problems = Vec::new();
        if before.is_none_or(|before| before.code != self.code)
            && self.code.as_ref().is_some_and(|code| !code.is_writable())
        {
            problems.push(FieldError::new("code", "must consist of letters, digits, - and _"));
        }
        let amount = |terms: &Self| match terms.benefit {
            Benefit::Amount(price) => Some(price),
            Benefit::Percent(_) | Benefit::FreeShipping => None,
        };
        let money = [
            ("value", amount(self), before.and_then(amount)),
            ("minimum", self.minimum, before.and_then(|before| before.minimum)),
        ];
        for (field, price, stored) in money {
            if price != stored && price.is_some_and(|price| price.currency() != currency) {
                let problem = format!("must be in {}, the currency of the shop", currency.code());
                problems.push(FieldError::new(field, problem));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems)) }
    }

    /// Whether it takes something off this product.
    pub(crate) fn covers(&self, product: &ProductSnapshot) -> bool {
        let names_none = self.products.is_empty() && self.categories.is_empty();
        names_none
            || self.products.contains(&product.id)
            || self.categories.iter().any(|category| **category == *product.category)
    }

    /// Returns why it does not apply to goods of this total at `now`, if it does not.
    pub(crate) fn refusal_for(&self, total: Money, now: Timestamp) -> Option<DiscountRefusal> {
        let amount = match self.benefit {
            Benefit::Amount(price) => Some(price),
            Benefit::Percent(_) | Benefit::FreeShipping => None,
        };
        if self.from.is_some_and(|from| now < from) {
            Some(DiscountRefusal::NotStarted)
        } else if self.until.is_some_and(|until| until <= now) {
            Some(DiscountRefusal::Expired)
        } else if amount.into_iter().chain(self.minimum).any(|price| price.currency() != total.currency()) {
            Some(DiscountRefusal::OtherCurrency)
        } else if self.minimum.is_some_and(|minimum| total.amount() < minimum.amount()) {
            Some(DiscountRefusal::BelowMinimum)
        } else {
            None
        }
    }
}

#[derive(Deserialize)]
struct Unchecked {
    #[serde(default)]
    code: Option<Code>,
    #[serde(flatten)]
    benefit: Benefit,
    #[serde(default)]
    minimum: Option<Price>,
    #[serde(default)]
    limit: Option<Limit>,
    #[serde(default)]
    per_customer: Option<Limit>,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    products: Vec<ProductId>,
    #[serde(default)]
    categories: Vec<Text<1, 100>>,
    #[serde(default)]
    combines: bool,
}

impl TryFrom<Unchecked> for Terms {
    type Error = String;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { code, benefit, minimum, limit, per_customer, from, until, products, categories, combines } =
            unchecked;
        let terms = Self { code, benefit, minimum, limit, per_customer, from, until, products, categories, combines };
        terms.problem().map_or(Ok(terms), |(field, problem)| Err(format!("{field} {problem}")))
    }
}

impl Terms {
    /// Returns the first invalid field, and what is wrong with it.
    fn problem(&self) -> Option<(&'static str, String)> {
        let currency = match self.benefit {
            Benefit::Amount(price) => Some(price.currency()),
            Benefit::Percent(_) | Benefit::FreeShipping => None,
        };
        if self.products.len() > MAX_NAMED {
            Some(("products", format!("must have at most {MAX_NAMED} products")))
        } else if self.categories.len() > MAX_NAMED {
            Some(("categories", format!("must have at most {MAX_NAMED} categories")))
        } else if self.from.zip(self.until).is_some_and(|(from, until)| until <= from) {
            Some(("until", "must be after from".to_owned()))
        } else if currency.zip(self.minimum).is_some_and(|(currency, minimum)| currency != minimum.currency()) {
            Some(("minimum", "must be in the currency of value".to_owned()))
        } else {
            None
        }
    }
}

/// The kind of a benefit, as clients name it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Percent,
    Amount,
    FreeShipping,
}

fn read_benefit(fields: &mut Fields) -> Option<Benefit> {
    match fields.required("kind") {
        Some(Kind::Percent) => fields.required("value").map(Benefit::Percent),
        Some(Kind::Amount) => fields.required_object("value").map(Benefit::Amount),
        Some(Kind::FreeShipping) if fields.is_given("value") => {
            fields.forbid("value", "is only for percent and amount");
            None
        }
        Some(Kind::FreeShipping) => {
            fields.take_raw("value");
            Some(Benefit::FreeShipping)
        }
        None => {
            fields.take_raw("value");
            None
        }
    }
}

impl Input for Terms {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (code, benefit) = (fields.optional("code"), read_benefit(fields));
        let minimum = optional_object(fields, "minimum");
        let (limit, per_customer) = (fields.optional("limit"), fields.optional("per_customer"));
        let (from, until) = (fields.optional("from"), fields.optional("until"));
        let products = fields.optional("products").unwrap_or_default();
        let categories = fields.optional("categories").unwrap_or_default();
        let combines = fields.optional("combines").unwrap_or_default();
        let benefit = benefit?;
        let terms = Self { code, benefit, minimum, limit, per_customer, from, until, products, categories, combines };
        match terms.problem() {
            None => Some(terms),
            Some((field, problem)) => fields.refuse(field, &problem),
        }
    }
}

/// The fields of the terms that an admin changes; null removes one (RFC 7396).
#[derive(Debug, Clone)]
pub(crate) struct TermsPatch(Map<String, Value>);

impl Input for TermsPatch {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.rest().map(Self)
    }
}

impl TermsPatch {
    /// Errors: `validation` names each field that is invalid in the result.
    pub(crate) fn apply(&self, terms: &Terms) -> Result<Terms> {
        let Value::Object(mut fields) = serde_json::to_value(terms).map_err(Error::internal)? else {
            return Err(Error::internal("terms are no JSON object"));
        };
        // A value belongs to its kind.
        if self.0.get("kind").is_some_and(|kind| Some(kind) != fields.get("kind")) {
            fields.remove("value");
        }
        fields.extend(self.0.clone());
        from_json(Value::Object(fields))
    }
}
