//! The addresses of a customer.

use souk_contract::customer::{AddressId, CustomerId};
use souk_types::Result;

use crate::app::App;
use crate::domain::address::{NewAddress, SavedAddress};

pub(crate) async fn add(app: &App, customer: CustomerId, new: NewAddress) -> Result<SavedAddress> {
    app.accounts.update(customer, move |profile| profile.addresses.add(new.clone())).await
}

pub(crate) async fn replace(app: &App, customer: CustomerId, id: AddressId, new: NewAddress) -> Result<SavedAddress> {
    app.accounts.update(customer, move |profile| profile.addresses.replace(id, new.clone())).await
}

pub(crate) async fn remove(app: &App, customer: CustomerId, id: AddressId) -> Result<()> {
    app.accounts.update(customer, move |profile| profile.addresses.remove(id)).await
}
