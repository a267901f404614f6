//! Places where a test lets the process die, as a power cut would: before and after each write, publish, call, reply and
//! acknowledgement. The environment variable `SOUK_FAILPOINT` names one, such as `commit.orders.before`, or with `@3` its third
//! passing. A release build has none of it: there, a place is nothing, and nobody reads the variable.
//!
//! | place | who passes it |
//! |---|---|
//! | `commit.<collection>.before`, `.after` | a commit that writes to the collection |
//! | `publish.<event>.before`, `.after` | an event on its way from the outbox to the bus |
//! | `outbox.taken.before`, `.after` | published events that are taken out of the outbox |
//! | `ack.<event>.before`, `.after` | a listener that has handled an event |
//! | `call.<request>.before`, `.after` | a caller; after: with the reply in hand |
//! | `reply.<request>.before`, `.after` | who answers; after: the reply is handed to the connection |
//! | `ack.call.before`, `.after` | who acknowledges calls, several at a time (over RabbitMQ) |

use std::fmt;

/// Whether this build has failpoints: for what is done for their sake alone.
pub const BUILT_IN: bool = cfg!(debug_assertions);

/// A place where the process may be made to die: `failpoint!("commit.{collection}.before")`. See [the list](mod@crate::failpoint).
#[macro_export]
macro_rules! failpoint {
    ($($place:tt)+) => {
        $crate::failpoint::pass(::std::format_args!($($place)+))
    };
}

/// Passes a place, or dies there.
#[inline]
pub fn pass(place: fmt::Arguments<'_>) {
    #[cfg(debug_assertions)]
    armed::pass(place);
    #[cfg(not(debug_assertions))]
    let _ = place;
}

#[cfg(debug_assertions)]
mod armed {
    use std::fmt;
    use std::str::FromStr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    const VARIABLE: &str = "SOUK_FAILPOINT";

    /// Where to die.
    #[derive(Debug)]
    pub(super) struct Failpoint {
        place: String,
        /// At which passing, from 1.
        passing: u32,
        passed: AtomicU32,
    }

    pub(super) fn pass(place: fmt::Arguments<'_>) {
        static CHOSEN: OnceLock<Option<Failpoint>> = OnceLock::new();
        if let Some(chosen) = CHOSEN.get_or_init(chosen)
            && chosen.is_reached(&place.to_string())
        {
            die(place);
        }
    }

    fn chosen() -> Option<Failpoint> {
        let text = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
        // A test that waits for a death must not wait for ever because of a slip of the pen.
        Some(text.parse().unwrap_or_else(|why| die(format_args!("{VARIABLE}={text}: {why}"))))
    }

    /// At once: nothing is finished, flushed or told to anybody.
    fn die(place: fmt::Arguments<'_>) -> ! {
        eprintln!("failpoint {place}: the process dies here");
        std::process::abort()
    }

    impl FromStr for Failpoint {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            let (place, passing) = match text.split_once('@') {
                Some((place, passing)) => (place, passing.parse().map_err(|_| "what follows @ must be a number")?),
                None => (text, 1),
            };
            if passing == 0 {
                return Err("the first passing is @1");
            }
            Ok(Self { place: place.to_owned(), passing, passed: AtomicU32::new(0) })
        }
    }

    impl Failpoint {
        pub(super) fn is_reached(&self, place: &str) -> bool {
            self.place == place && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.passing
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::Failpoint;

    #[test]
    fn it_is_reached_at_the_passing_that_was_asked_for() {
        let third: Failpoint = "commit.orders.before@3".parse().unwrap();
        let reached: Vec<bool> = (0..4).map(|_| third.is_reached("commit.orders.before")).collect();
        assert_eq!(reached, [false, false, true, false]);
        let first: Failpoint = "ack.call.after".parse().unwrap();
        assert!(!first.is_reached("ack.call.before"));
        assert!(first.is_reached("ack.call.after"));
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        for bad in ["a@", "a@x", "a@0"] {
            assert!(bad.parse::<Failpoint>().is_err(), "{bad}");
        }
    }
}
