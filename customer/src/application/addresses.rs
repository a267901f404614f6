//! The addresses of a customer.

use souk_contract::customer::CustomerId;
use souk_types::{Address, Result};

use crate::app::App;
use crate::domain::address::{AddressId, SavedAddress};

pub(crate) async fn add(app: &App, customer: CustomerId, address: Address) -> Result<SavedAddress> {
    app.accounts.update(customer, move |profile| profile.addresses.add(address.clone())).await
}

pub(crate) async fn replace(app: &App, customer: CustomerId, id: AddressId, address: Address) -> Result<SavedAddress> {
    app.accounts.update(customer, move |profile| profile.addresses.replace(id, address.clone())).await
}

pub(crate) async fn remove(app: &App, customer: CustomerId, id: AddressId) -> Result<()> {
    app.accounts.update(customer, move |profile| profile.addresses.remove(id)).await
}
