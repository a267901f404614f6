//! Numbers that come again with the same seed (splitmix64): a run can be repeated as far as a
//! machine allows.

/// A source of numbers.
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

    /// One of them. There must be one.
    pub(crate) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        let at = self.next() % u64::try_from(things.len()).unwrap_or(u64::MAX).max(1);
        &things[usize::try_from(at).unwrap_or_default()]
    }

    /// A source of its own for somebody who takes numbers at the same time.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }
}
