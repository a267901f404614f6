//! Rules that a test breaks on purpose, to show that `souk audit` detects the violation. The
//! environment variable `SOUK_MUTANT` selects one. Release builds contain no mutants and ignore the
//! variable.

/// A rule that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An event is acknowledged before its handler has committed anything.
    AckBeforeCommit,
    /// Stock is reserved without checking the available quantity.
    NoStockGuard,
    /// An event is published directly instead of through the outbox.
    NoOutbox,
}

impl Mutant {
    /// Returns its name in `SOUK_MUTANT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack-before-commit",
            Self::NoStockGuard => "no-stock-guard",
            Self::NoOutbox => "no-outbox",
        }
    }

    /// Whether this process breaks the rule.
    #[inline]
    #[must_use]
    pub fn is_active(self) -> bool {
        #[cfg(debug_assertions)]
        return selected().is_some_and(|selected| selected == self.name());
        #[cfg(not(debug_assertions))]
        false
    }
}

#[cfg(debug_assertions)]
fn selected() -> Option<&'static str> {
    static SELECTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    SELECTED.get_or_init(|| std::env::var("SOUK_MUTANT").ok()).as_deref()
}
