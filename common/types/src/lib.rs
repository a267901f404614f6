//! The values that every service shares: ids, money, quantities, times, pages, errors. No value of
//! these types is invalid.
//!
//! No I/O, except two switches for tests, [`failpoint`](mod@failpoint) and [`mutant`].

mod clock;
mod collation;
mod currency;
mod entity_tag;
mod error;
pub mod failpoint;
mod id;
pub mod input;
mod money;
pub mod mutant;
mod network;
mod number;
mod page;
mod price;
mod quantity;
mod request_id;
mod text;

pub use clock::Timestamp;
pub use collation::sort_key;
pub use currency::Currency;
pub use entity_tag::{EntityTag, EntityTags, Precondition};
pub use error::{Error, ErrorKind, FieldError, Result};
pub use id::{Id, InvalidId};
pub use money::Money;
pub use network::Network;
pub use number::{Integer, NumberError};
pub use page::{Cursor, Page, PageLimit, Paging};
pub use price::Price;
pub use quantity::Quantity;
pub use request_id::RequestId;
pub use text::{MultilineText, Text, normalize, opaque_string};
