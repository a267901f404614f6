//! Adapters to payment providers, and the signer of guest tokens.

pub mod demo;
pub(crate) mod guest_token;
pub mod stripe;
