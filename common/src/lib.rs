//! What every Souk service stands on: the two seams (`bus`, `store`), the contract between services, identity, and the
//! shape of input and errors.
//!
//! `common` is called and never calls back: it knows no service, mounts no route of its own but health, and holds no
//! rule of the shop. Start at [`bus`] and [`store`].

pub mod auth;
pub mod bus;
pub mod clock;
pub mod config;
pub mod contract;
mod discovery;
pub mod error;
pub mod failpoint;
pub mod health;
pub mod http;
pub mod id;
pub mod input;
pub mod money;
pub mod mutant;
pub mod outbox;
pub mod page;
pub mod problem;
pub mod quantity;
pub mod request_id;
pub mod service;
pub mod signal;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod text;

pub use clock::Timestamp;
pub use error::{Error, Kind};
pub use id::Id;
pub use money::Money;
pub use page::Page;
pub use quantity::Quantity;
pub use text::Text;
