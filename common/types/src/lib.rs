//! The values that services share: ids, money, quantities, times, addresses, pages, errors. No
//! value of these types is invalid.
//!
//! No I/O, except two switches for tests, [`failpoint`](mod@failpoint) and [`mutant`].

mod address;
mod clock;
mod collation;
mod country;
mod currency;
mod email;
mod entity_tag;
mod error;
pub mod failpoint;
pub mod format;
mod id;
mod idempotency;
pub mod input;
mod language;
mod mask;
mod money;
pub mod mutant;
mod network;
mod number;
mod page;
mod phone;
mod price;
mod quantity;
pub mod redacted;
mod request_id;
mod tax_class;
mod text;

pub use address::Address;
pub use clock::Timestamp;
pub use collation::sort_key;
pub use country::Country;
pub use currency::Currency;
pub use email::Email;
pub use entity_tag::{EntityTag, EntityTags, Precondition};
pub use error::{Error, ErrorKind, FieldError, Result};
pub use id::{Id, InvalidId};
pub use idempotency::{Fingerprint, IdempotencyKey, KeyedRequest};
pub use language::Language;
pub use mask::mask_texts;
pub use money::Money;
pub use network::Network;
pub use number::{Integer, NumberError};
pub use page::{CappedCount, Cursor, Page, PageLimit, Paging};
pub use phone::Phone;
pub use price::Price;
pub use quantity::Quantity;
pub use request_id::RequestId;
pub use tax_class::TaxClass;
pub use text::{MultilineText, Text, normalize, opaque_string};
