//! A signed-in customer.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::fixtures::order_with;
use crate::product::Product;
use crate::request::Request;
use crate::response::Response;

/// A customer with a session.
#[derive(Clone)]
pub struct Customer {
    pub(crate) client: Client,
    /// The account's id.
    pub id: String,
    /// The account's e-mail address.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// The session's refresh token.
    pub refresh_token: String,
}

impl Customer {
    /// Reads the session from the response to a sign-up or a sign-in.
    #[track_caller]
    pub fn from_sign_in(client: &Client, email: &str, password: &str, sign_in: &Response) -> Self {
        let refresh_token = sign_in["refresh_token"].as_str();
        Self {
            client: client.with_token_of(sign_in),
            id: sign_in.id().to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            refresh_token: refresh_token.unwrap_or_else(|| panic!("{sign_in} has no refresh token")).to_owned(),
        }
    }

    /// Signs in again and returns the customer with the second session.
    pub async fn sign_in_again(&self) -> Self {
        let sign_in = self.sign_in(&self.email, &self.password).retry_while_busy().await.expect_status(200);
        Self::from_sign_in(&self.client, &self.email, &self.password, &sign_in)
    }

    /// Gets the profile.
    pub fn get_profile(&self) -> Request {
        self.get("/customer/profile")
    }

    /// Changes fields of the profile.
    pub fn update_profile(&self, changes: Value) -> Request {
        self.request(Method::PATCH, "/customer/profile").json(changes)
    }

    /// Changes the e-mail address, with the password.
    pub fn change_email(&self, email: &str) -> Request {
        self.update_profile(json!({"email": email, "current": self.password}))
    }

    /// Changes the password.
    pub fn change_password(&self, current: &str, new: &str) -> Request {
        self.request(Method::PUT, "/customer/password").json(json!({"current": current, "new": new}))
    }

    /// Gets all personal data.
    pub fn export_data(&self) -> Request {
        self.get("/customer/profile/export")
    }

    /// Deletes the account, with its password.
    pub fn delete_account(&self) -> Request {
        self.request(Method::DELETE, "/customer/profile").json(json!({"current": self.password}))
    }

    /// Ends all sessions.
    pub fn sign_out_everywhere(&self) -> Request {
        self.request(Method::DELETE, "/customer/sessions")
    }

    /// Adds an address.
    pub fn add_address(&self, address: Value) -> Request {
        self.request(Method::POST, "/customer/address").json(address)
    }

    /// Merges a guest's cart into this customer's.
    pub fn merge_cart(&self, guest: &Client) -> Request {
        self.request(Method::POST, "/shopping/cart/merge").json(json!({"guest": guest.token()}))
    }

    /// Gets the wishlist.
    pub fn get_wishlist(&self) -> Request {
        self.get("/shopping/wishlist")
    }

    /// Adds a product to the wishlist.
    pub fn add_to_wishlist(&self, product: &Product) -> Request {
        self.request(Method::POST, "/shopping/wishlist").json(json!({"product_id": product.id}))
    }

    /// Removes a product from the wishlist.
    pub fn remove_from_wishlist(&self, product: &Product) -> Request {
        self.request(Method::DELETE, &format!("/shopping/wishlist/{}", product.id))
    }

    /// Orders the cart under an idempotency key, to collect it, which costs nothing.
    pub fn place_order(&self, key: &str) -> Request {
        self.place_order_with(key, json!({}))
    }

    /// Orders the cart to collect it, with further fields.
    pub fn place_order_with(&self, key: &str, fields: Value) -> Request {
        self.request(Method::POST, "/shopping/order")
            .header("Idempotency-Key", key)
            .json(order_with(&self.email, fields))
    }

    /// Orders the cart and pays with a token of the demo payment provider.
    pub fn place_order_paying(&self, key: &str, token: &str) -> Request {
        self.place_order_with(key, json!({"payment": {"method": "demo", "token": token}}))
    }

    /// Gets an order.
    pub fn get_order(&self, id: &str) -> Request {
        self.get(&format!("/shopping/order/{id}"))
    }

    /// Lists the latest orders.
    pub fn list_orders(&self) -> Request {
        self.get("/shopping/orders")
    }

    /// Cancels an order.
    pub fn cancel_order(&self, id: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/order/{id}/cancel"))
    }
}

impl Deref for Customer {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
