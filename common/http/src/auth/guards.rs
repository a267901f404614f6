//! Request guards for routes that require a signed-in customer, or staff with a permission.

use std::marker::PhantomData;

use rocket::request::{FromRequest, Outcome, Request};
use souk_contract::customer::CustomerId;
use souk_contract::role::Permission;
use souk_types::{Error, Result};

use super::{Identity, bearer_token};
use crate::guard_outcome;

/// The managed state of a service. It authenticates access tokens.
///
/// One process may run several services, each with its own database. So the guards take the
/// service's state as a type parameter: `type CustomerAuth = souk_http::auth::CustomerAuth<App>`.
pub trait Authenticator: Send + Sync + 'static {
    /// Returns the identity in `token`. Fails unless the token is valid and not revoked.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity>> + Send;
}

async fn authenticate<A: Authenticator>(request: &Request<'_>) -> Result<Identity> {
    let authenticator = request.rocket().state::<A>();
    let authenticator = authenticator.ok_or_else(|| Error::internal("the service's state is not managed"))?;
    authenticator.authenticate(bearer_token(request)?).await
}

/// A signed-in customer. Also accepts staff.
pub struct CustomerAuth<A>(Identity, PhantomData<fn() -> A>);

impl<A> CustomerAuth<A> {
    /// Returns the id of the account.
    #[must_use]
    pub fn id(&self) -> CustomerId {
        self.0.id
    }

    /// Returns the account and its role.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.0
    }
}

#[rocket::async_trait]
impl<'r, A: Authenticator> FromRequest<'r> for CustomerAuth<A> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let identity = authenticate::<A>(request).await;
        guard_outcome(request, identity.map(|identity| Self(identity, PhantomData)))
    }
}

/// A signed-in member of staff whose role has the permission `P`. A route for staff cannot leave
/// the permission out.
pub struct StaffAuth<A, P>(Identity, PhantomData<fn() -> (A, P)>);

impl<A, P> StaffAuth<A, P> {
    /// Returns the id of the account.
    #[must_use]
    pub fn id(&self) -> CustomerId {
        self.0.id
    }
}

#[rocket::async_trait]
impl<'r, A: Authenticator, P: Permitted + 'static> FromRequest<'r> for StaffAuth<A, P> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let identity = authenticate::<A>(request).await.and_then(|identity| identity.require(P::PERMISSION));
        guard_outcome(request, identity.map(|identity| Self(identity, PhantomData)))
    }
}

/// A permission as a type, for [`StaffAuth`].
pub trait Permitted {
    /// The permission.
    const PERMISSION: Permission;
}

/// The permissions as types.
pub mod permission {
    use super::{Permission, Permitted};

    macro_rules! permissions {
        ($($name:ident),*) => {$(
            #[doc = concat!("See [`Permission::", stringify!($name), "`].")]
            pub struct $name;

            impl Permitted for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    permissions!(
        ViewOrders,
        AssistCustomers,
        FulfilOrders,
        MoveMoney,
        ManageCatalogue,
        ManageDiscounts,
        ManageShop,
        ManageStaff,
        OperateSystem
    );
}

#[cfg(test)]
mod tests {
    use rocket::http::{Header, Status};
    use rocket::local::asynchronous::Client;
    use rocket::{get, routes};
    use souk_types::{Id, Language};

    use super::*;
    use souk_contract::role::Role;

    /// Accepts the names of roles as tokens.
    struct App(CustomerId);

    impl Authenticator for App {
        async fn authenticate(&self, token: &str) -> Result<Identity> {
            let role = Role::ALL.into_iter().find(|role| role.as_str() == token);
            let role = role.ok_or_else(super::super::invalid_token)?;
            Ok(Identity { id: self.0, role, generation: 1, is_email_verified: true, language: Language::English })
        }
    }

    #[get("/customer")]
    fn for_customers(customer: CustomerAuth<App>) -> String {
        customer.id().to_string()
    }

    #[get("/catalogue")]
    fn for_catalogue(staff: StaffAuth<App, permission::ManageCatalogue>) -> String {
        staff.id().to_string()
    }

    #[rocket::async_test]
    async fn a_guard_lets_the_right_role_in() {
        let id = Id::new();
        let rocket = crate::rocket([127, 0, 0, 1].into(), 0).mount("/", routes![for_customers, for_catalogue]);
        let client = Client::untracked(rocket.manage(App(id))).await.unwrap();
        for (path, authorization, status) in [
            ("/customer", "Bearer customer", Status::Ok),
            ("/customer", "bearer admin", Status::Ok),
            ("/customer", "Bearer other", Status::Unauthorized),
            ("/customer", "Basic customer", Status::Unauthorized),
            ("/customer", "", Status::Unauthorized),
            ("/catalogue", "Bearer admin", Status::Ok),
            ("/catalogue", "Bearer catalogue", Status::Ok),
            ("/catalogue", "Bearer orders", Status::Forbidden),
            ("/catalogue", "Bearer customer", Status::Forbidden),
            ("/catalogue", "Bearer other", Status::Unauthorized),
        ] {
            let request = client.get(path).header(Header::new("Authorization", authorization));
            let response = request.dispatch().await;
            assert_eq!(response.status(), status, "{path} with {authorization:?}");
            if status == Status::Ok {
                assert_eq!(response.into_string().await, Some(id.to_string()));
            }
        }
        assert_eq!(client.get("/customer").dispatch().await.status(), Status::Unauthorized);
    }

    #[rocket::async_test]
    async fn a_guard_without_its_service_is_an_internal_error() {
        let rocket = crate::rocket([127, 0, 0, 1].into(), 0).mount("/", routes![for_customers]);
        let client = Client::untracked(rocket).await.unwrap();
        assert_eq!(client.get("/customer").dispatch().await.status(), Status::InternalServerError);
    }
}
