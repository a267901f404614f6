//! What other services ask: the sibling of `routes`. They ask for the keys alone; what they must know about an account
//! is in its tokens, and that it was erased they hear from the outbox.

use std::sync::Arc;

use common::bus::Bus;
use common::contract::customer::{CustomerDeleted, GetKeys, Keys};

use crate::App;

pub(crate) fn serve(app: &App, bus: &Bus) {
    bus.announces::<CustomerDeleted>();
    let key = Arc::clone(&app.key);
    bus.serve(move |_: GetKeys| {
        let keys = Keys { keys: vec![key.public().clone()] };
        async move { Ok(keys) }
    });
}
