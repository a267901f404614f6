//! Pieces of a sold order that go back on sale: those of a refund, or the rest of an order that is
//! cancelled after some of its pieces were refunded. A cancelled order without such refunds returns
//! its stock as a whole (`owes_stock`).

use serde::{Deserialize, Serialize};
use souk_contract::products::{ProductId, ReservationLine};
use souk_contract::shopping::RefundId;
use souk_types::{Quantity, Result, Timestamp};

use super::Order;

/// Pieces that go back on sale.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PieceReturn {
    /// Identifies it in `products`, which restocks it once.
    pub(crate) id: RefundId,
    pub(crate) lines: Vec<ReservationLine>,
    /// Whether `products` has them.
    is_done: bool,
}

impl Order {
    /// Decides that these pieces go back on sale.
    pub(super) fn return_pieces(&mut self, id: RefundId, lines: Vec<ReservationLine>) {
        if !lines.is_empty() {
            self.piece_returns.push(PieceReturn { id, lines, is_done: false });
        }
    }

    /// Decides that the pieces that no refund names go back on sale.
    pub(super) fn return_unrefunded_pieces(&mut self) {
        let left = |line: &ReservationLine| {
            let pieces = line.quantity.get().saturating_sub(self.refunded_pieces(line.product));
            let quantity = Quantity::try_from(u64::from(pieces)).ok()?;
            Some(ReservationLine { product: line.product, quantity })
        };
        let lines = self.lines().iter().filter_map(left).collect();
        self.return_pieces(RefundId::new(), lines);
    }

    /// Whether a refund names pieces, so that the stock is not returned as a whole.
    pub(super) fn has_refunded_pieces(&self) -> bool {
        self.lines().iter().any(|line| self.refunded_pieces(line.product) > 0)
    }

    /// Returns the next pieces that `products` does not have yet.
    pub(crate) fn next_piece_return(&self) -> Option<PieceReturn> {
        self.piece_returns.iter().find(|pieces| !pieces.is_done).cloned()
    }

    /// Whether stock is still to be returned, as a whole or in pieces.
    pub(super) fn owes_any_stock(&self) -> bool {
        self.owes_stock || self.piece_returns.iter().any(|pieces| !pieces.is_done)
    }

    /// Records that `products` has the pieces.
    pub(crate) fn complete_piece_return(&mut self, id: RefundId, now: Timestamp) -> Result<()> {
        let of_id = |pieces: &&mut PieceReturn| pieces.id == id && !pieces.is_done;
        if let Some(pieces) = self.piece_returns.iter_mut().find(of_id) {
            pieces.is_done = true;
            self.settle(now)?;
        }
        Ok(())
    }

    /// Returns the pieces of each product that were put back on sale, not as a whole.
    pub(crate) fn returned_pieces(&self) -> Vec<(ProductId, u32)> {
        let is_done = |pieces: &&PieceReturn| pieces.is_done;
        let done = || self.piece_returns.iter().filter(is_done).flat_map(|pieces| &pieces.lines);
        let of =
            |product: ProductId| done().filter(|line| line.product == product).map(|line| line.quantity.get()).sum();
        let returned = self.lines().into_iter().map(|line| (line.product, of(line.product)));
        returned.filter(|(_, pieces)| *pieces > 0).collect()
    }
}
