//! What other services announce: the sibling of `routes`.

use common::bus::Delivery;
use common::contract::customer::CustomerDeleted;
use common::contract::shopping::{OrderCancelled, OrderConfirmed};

use crate::{App, erasure};

pub(crate) fn serve(app: &App) {
    app.bus.announces::<OrderConfirmed>();
    app.bus.announces::<OrderCancelled>();
    let own = app.clone();
    app.bus.subscribe("shopping", move |deletion: Delivery<CustomerDeleted>| {
        let app = own.clone();
        async move { erasure::erase(&app, deletion).await }
    });
}
