//! Every message that crosses from one service to another: one file for each owning service, whose name is the first
//! word of each message's name. A request's owner answers it; an event's owner publishes it. Nothing here has behaviour.

pub mod customer;
pub mod products;
pub mod shopping;
