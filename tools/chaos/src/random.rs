//! Reproducible pseudo-random numbers (splitmix64): the same seed makes the same choices.

#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Chooses an element. The slice must not be empty.
    pub(crate) fn choose<'t, T>(&mut self, elements: &'t [T]) -> &'t T {
        &elements[self.below(elements.len())]
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// Returns an independent generator, for a concurrent client.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }
}
