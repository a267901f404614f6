//! Rules that a test breaks on purpose, to show that `souk audit` notices. The environment variable `SOUK_MUTANT` names one. A release
//! build has none of it: there every rule holds, and nobody reads the variable.

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An event is acknowledged before its handler has committed anything.
    AckBeforeCommit,
    /// Pieces are held without a look at how many there are.
    NoStockGuard,
    /// An event that comes again has its effect again.
    NoInbox,
    /// An event is published and not kept anywhere until it is.
    NoOutbox,
}

impl Mutant {
    /// How `SOUK_MUTANT` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack-before-commit",
            Self::NoStockGuard => "no-stock-guard",
            Self::NoInbox => "no-inbox",
            Self::NoOutbox => "no-outbox",
        }
    }

    /// Whether this process breaks the rule.
    #[inline]
    #[must_use]
    pub fn is_active(self) -> bool {
        #[cfg(debug_assertions)]
        return chosen().is_some_and(|chosen| chosen == self.name());
        #[cfg(not(debug_assertions))]
        false
    }
}

#[cfg(debug_assertions)]
fn chosen() -> Option<&'static str> {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("SOUK_MUTANT").ok()).as_deref()
}
