//! What other services ask: the sibling of `routes`. They ask for the keys alone; what they must know about an account
//! is in its tokens, and that it was erased they hear from the outbox.

use common::bus::Bus;
use common::contract::customer::{CustomerDeleted, GetKeys};

use crate::App;

pub(crate) fn serve(app: &App, bus: &Bus) {
    bus.announces::<CustomerDeleted>();
    let app = app.clone();
    bus.serve(move |_: GetKeys| {
        let keys = app.keys();
        async move { Ok(keys) }
    });
}
