//! The pieces of an order: ordered, shipped, refunded, and left to ship. Pure counting: shipments
//! are checked against it, so that no piece is shipped twice, or after its refund.
//!
//! A refund takes the pieces that are not shipped yet first. Pieces that need no parcel are never
//! left: those of digital goods, and those of an order that has ended without a delivery.

use serde::Serialize;
use souk_contract::products::ProductId;
use souk_types::{Error, Quantity, Result};

use super::shipment::ShippedLine;

/// The pieces of one product in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pieces {
    product_id: ProductId,
    ordered: u32,
    shipped: u32,
    refunded: u32,
    left: u32,
}

impl Pieces {
    pub(super) fn new(
        product_id: ProductId,
        ordered: Quantity,
        needs_parcel: bool,
        shipped: u32,
        refunded: u32,
    ) -> Self {
        let ordered = ordered.get();
        // Refunded pieces above this number were shipped before.
        let left = if needs_parcel { ordered.saturating_sub(shipped + refunded) } else { 0 };
        Self { product_id, ordered, shipped, refunded, left }
    }
}

/// The pieces of every product in an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Fulfilment(pub(super) Vec<Pieces>);

impl Fulfilment {
    /// Returns the pieces that are left to ship.
    pub(crate) fn left(&self) -> Vec<ShippedLine> {
        let line = |pieces: &Pieces| {
            let quantity = Quantity::try_from(u64::from(pieces.left)).ok()?;
            Some(ShippedLine { product_id: pieces.product_id, quantity })
        };
        self.0.iter().filter_map(line).collect()
    }

    pub(crate) fn is_consistent(&self) -> bool {
        self.0.iter().all(|pieces| pieces.shipped <= pieces.ordered && pieces.refunded <= pieces.ordered)
    }

    pub(crate) fn is_anything_left(&self) -> bool {
        self.0.iter().any(|pieces| pieces.left > 0)
    }

    /// Returns the content of a parcel: these lines, and all that is left without lines. Errors:
    /// `not-left`, `order-state`.
    pub(super) fn parcel(&self, lines: Option<&[ShippedLine]>) -> Result<Vec<ShippedLine>> {
        let Some(lines) = lines else {
            let left = self.left();
            return if left.is_empty() {
                Err(Error::conflict("order-state", "No piece of the order is left to ship."))
            } else {
                Ok(left)
            };
        };
        let left = |product: ProductId| {
            self.0.iter().find(|pieces| pieces.product_id == product).map_or(0, |pieces| pieces.left)
        };
        let excess: Vec<&ShippedLine> =
            lines.iter().filter(|line| line.quantity.get() > left(line.product_id)).collect();
        let Some(first) = excess.first() else { return Ok(lines.to_vec()) };
        let detail = format!(
            "{} pieces of the product {} are not left to ship: they were not ordered, are shipped or refunded, or \
             are digital. `items` says how many are left.",
            first.quantity.get(),
            first.product_id
        );
        let item = |line: &&ShippedLine| {
            let (product, requested) = (line.product_id, line.quantity);
            serde_json::json!({"product_id": product, "requested": requested, "left": left(product)})
        };
        Err(Error::conflict("not-left", detail).with_member("items", excess.iter().map(item).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(number: u32) -> Quantity {
        Quantity::try_from(u64::from(number)).unwrap()
    }

    fn line(product_id: ProductId, number: u32) -> ShippedLine {
        ShippedLine { product_id, quantity: quantity(number) }
    }

    #[test]
    fn refunded_pieces_are_those_that_are_not_shipped_first() {
        // ordered, needs a parcel, shipped, refunded: left
        for (ordered, needs_parcel, shipped, refunded, left) in [
            (3, true, 0, 0, 3),
            (3, true, 1, 0, 2),
            (3, true, 1, 1, 1),
            (3, true, 1, 2, 0),
            (3, true, 1, 3, 0),
            (3, true, 3, 2, 0),
            (3, false, 0, 0, 0),
        ] {
            let pieces = Pieces::new(ProductId::new(), quantity(ordered), needs_parcel, shipped, refunded);
            assert_eq!(pieces.left, left, "{pieces:?}");
        }
    }

    #[test]
    fn a_parcel_has_only_pieces_that_are_left() {
        type Case = (Option<Vec<ShippedLine>>, std::result::Result<Vec<ShippedLine>, &'static str>);
        let [tea, book, unknown] = [ProductId::new(), ProductId::new(), ProductId::new()];
        let pieces =
            || Fulfilment(vec![Pieces::new(tea, quantity(3), true, 1, 0), Pieces::new(book, quantity(1), false, 0, 0)]);
        let cases: [Case; 6] = [
            (None, Ok(vec![line(tea, 2)])),
            (Some(vec![line(tea, 1)]), Ok(vec![line(tea, 1)])),
            (Some(vec![line(tea, 2)]), Ok(vec![line(tea, 2)])),
            (Some(vec![line(tea, 3)]), Err("not-left")),
            (Some(vec![line(book, 1)]), Err("not-left")),
            (Some(vec![line(tea, 1), line(unknown, 1)]), Err("not-left")),
        ];
        for (lines, expected) in cases {
            let parcel = pieces().parcel(lines.as_deref());
            assert_eq!(parcel.as_deref().map_err(Error::code), expected.as_deref().map_err(|code| *code), "{lines:?}");
        }
        let nothing_left = Fulfilment(vec![Pieces::new(tea, quantity(3), true, 2, 1)]);
        assert_eq!(nothing_left.parcel(None).unwrap_err().code(), "order-state");
        let error = pieces().parcel(Some(&[line(tea, 3), line(unknown, 1)])).unwrap_err();
        let item =
            |product, requested, left| serde_json::json!({"product_id": product, "requested": requested, "left": left});
        assert_eq!(error.members()["items"], serde_json::json!([item(tea, 3, 2), item(unknown, 1, 0)]));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ship(Vec<(usize, u32)>),
        ShipTheRest,
        Refund(Vec<(usize, u32)>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let lines = || {
            proptest::collection::btree_map(0..3_usize, 1..6_u32, 1..3).prop_map(|lines| lines.into_iter().collect())
        };
        prop_oneof![lines().prop_map(Step::Ship), Just(Step::ShipTheRest), lines().prop_map(Step::Refund)]
    }

    proptest! {
        /// Shipments and refunds in any order, of pieces that are kept apart.
        #[test]
        fn no_piece_is_shipped_twice_or_after_its_refund(steps in proptest::collection::vec(step(), 0..12)) {
            let products = [ProductId::new(), ProductId::new(), ProductId::new()];
            let ordered = [1_u32, 4, 9];
            // Each piece of each product: whether it was shipped, and whether it was refunded.
            let mut pieces = ordered.map(|count| vec![(false, false); usize::try_from(count).unwrap()]);
            for step in steps {
                let count = |at: usize, wanted: fn(&(bool, bool)) -> bool| {
                    u32::try_from(pieces[at].iter().filter(|piece| wanted(piece)).count()).unwrap()
                };
                let fulfilment = Fulfilment(
                    (0..3)
                        .map(|at| {
                            let (shipped, refunded) = (count(at, |piece| piece.0), count(at, |piece| piece.1));
                            Pieces::new(products[at], quantity(ordered[at]), true, shipped, refunded)
                        })
                        .collect(),
                );
                prop_assert!(fulfilment.is_consistent());
                let lines = |of: &[(usize, u32)]| of.iter().map(|(at, number)| line(products[*at], *number)).collect::<Vec<_>>();
                let at = |product| products.iter().position(|known| *known == product).unwrap();
                let parcel = match &step {
                    Step::Ship(of) => fulfilment.parcel(Some(&lines(of))),
                    Step::ShipTheRest => fulfilment.parcel(None),
                    Step::Refund(of) => {
                        let is_refundable = |(at, number): &(usize, u32)| count(*at, |piece| !piece.1) >= *number;
                        if of.iter().all(is_refundable) {
                            for (at, number) in of {
                                for _ in 0..*number {
                                    let unshipped = pieces[*at].iter_mut().find(|piece| **piece == (false, false));
                                    let piece = match unshipped {
                                        Some(piece) => piece,
                                        None => pieces[*at].iter_mut().find(|piece| !piece.1).expect("a piece to refund"),
                                    };
                                    piece.1 = true;
                                }
                            }
                        }
                        continue;
                    }
                };
                for ShippedLine { product_id, quantity } in parcel.unwrap_or_default() {
                    for _ in 0..quantity.get() {
                        let piece = pieces[at(product_id)].iter_mut().find(|piece| **piece == (false, false));
                        piece.expect("a piece that is neither shipped nor refunded").0 = true;
                    }
                }
            }
        }
    }
}
