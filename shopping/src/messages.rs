//! What other services announce: the sibling of `routes`.

use common::bus::Delivery;
use common::contract::customer::CustomerDeleted;

use crate::{App, erasure};

pub(crate) fn serve(app: &App) {
    let own = app.clone();
    app.bus.subscribe("shopping", move |deletion: Delivery<CustomerDeleted>| {
        let app = own.clone();
        async move { erasure::erase(&app, deletion).await }
    });
}
