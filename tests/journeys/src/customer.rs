//! Somebody who has signed in, and buys.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ask::Ask;
use crate::goods::Product;
use crate::visitor::Visitor;

/// A customer with a session of their own.
#[derive(Clone)]
pub struct Customer {
    pub(crate) visitor: Visitor,
    /// The account.
    pub id: String,
    /// What they sign in with.
    pub email: String,
    /// What they sign in with.
    pub password: String,
    /// What keeps them signed in.
    pub refresh_token: String,
}

impl Customer {
    /// Takes what a sign-in gave.
    #[track_caller]
    pub fn with(visitor: &Visitor, email: &str, password: &str, sign_in: &Answer) -> Self {
        let text = |member: &str| sign_in[member].as_str().unwrap_or_else(|| panic!("{sign_in} has no {member}"));
        Self {
            visitor: visitor.presenting(text("token")),
            id: sign_in.id().to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            refresh_token: text("refresh_token").to_owned(),
        }
    }

    /// The same customer, signed in once more, on another device.
    pub async fn elsewhere(&self) -> Self {
        let sign_in = self.signs_in(&self.email, &self.password).unless_busy().await.expect_status(200);
        Self::with(&self.visitor, &self.email, &self.password, &sign_in)
    }

    /// Looks at the profile.
    pub fn profile(&self) -> Ask {
        self.gets("/customer/profile")
    }

    /// Changes the profile.
    pub fn edits_profile(&self, changes: Value) -> Ask {
        self.asks(Method::PATCH, "/customer/profile").json(changes)
    }

    /// Changes the password.
    pub fn changes_password(&self, current: &str, new: &str) -> Ask {
        self.asks(Method::PUT, "/customer/password").json(json!({"current": current, "new": new}))
    }

    /// Wants to see everything that is kept about them.
    pub fn exports(&self) -> Ask {
        self.gets("/customer/profile/export")
    }

    /// Leaves for good.
    pub fn erases_the_account(&self) -> Ask {
        self.asks(Method::DELETE, "/customer/profile")
    }

    /// Notes an address.
    pub fn adds_address(&self, address: Value) -> Ask {
        self.asks(Method::POST, "/customer/address").json(address)
    }

    /// Takes over the cart of a guest.
    pub fn merges(&self, guest: &Visitor) -> Ask {
        self.asks(Method::POST, "/shopping/cart/merge").json(json!({"guest": guest.token()}))
    }

    /// Looks at the wishlist.
    pub fn wishlist(&self) -> Ask {
        self.gets("/shopping/wishlist")
    }

    /// Puts a product on the wishlist.
    pub fn wishes_for(&self, product: &Product) -> Ask {
        self.asks(Method::POST, "/shopping/wishlist").json(json!({"product_id": product.id}))
    }

    /// Strikes a product off the wishlist.
    pub fn forgets(&self, product: &Product) -> Ask {
        self.asks(Method::DELETE, &format!("/shopping/wishlist/{}", product.id))
    }

    /// Orders what is in the cart, under a key.
    pub fn orders(&self, key: &str) -> Ask {
        self.asks(Method::POST, "/shopping/order").header("Idempotency-Key", key)
    }

    /// The same, paying with a token of the demo payment.
    pub fn orders_paying(&self, key: &str, token: &str) -> Ask {
        self.orders(key).json(json!({"payment": {"method": "demo", "token": token}}))
    }

    /// Looks at one order.
    pub fn order(&self, id: &str) -> Ask {
        self.gets(&format!("/shopping/order/{id}"))
    }

    /// Looks at the latest orders.
    pub fn past_orders(&self) -> Ask {
        self.gets("/shopping/orders")
    }

    /// Cancels an order.
    pub fn cancels(&self, id: &str) -> Ask {
        self.asks(Method::POST, &format!("/shopping/order/{id}/cancel"))
    }
}

impl Deref for Customer {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}
