//! A client of the shop: anonymous, a guest with a cart, or with any bearer token.

use reqwest::Method;
use serde_json::{Value, json};

use crate::product::Product;
use crate::request::{HttpClient, Request};
use crate::response::Response;

const PAGE_LIMIT: &str = "100";

/// A client that has not signed in.
#[derive(Clone)]
pub struct Client {
    http: HttpClient,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(http: HttpClient) -> Self {
        Self { http, token: None }
    }

    /// Returns a client that sends `token`.
    pub fn with_token(&self, token: &str) -> Self {
        Self { http: self.http.clone(), token: Some(token.to_owned()) }
    }

    /// Returns a client that sends the token of a sign-in, a refresh or a new guest cart.
    #[track_caller]
    pub fn with_token_of(&self, response: &Response) -> Self {
        self.with_token(response["token"].as_str().unwrap_or_else(|| panic!("{response} has no token")))
    }

    /// Returns the token that this client sends.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Builds any request.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self.http.request(method, path);
        match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// Signs up.
    pub fn sign_up(&self, email: &str, password: &str) -> Request {
        self.request(Method::POST, "/customer/signup").json(json!({"email": email, "password": password}))
    }

    /// Signs in.
    pub fn sign_in(&self, email: &str, password: &str) -> Request {
        self.request(Method::POST, "/customer/login").json(json!({"email": email, "password": password}))
    }

    /// Exchanges a refresh token for new tokens.
    pub fn refresh_session(&self, refresh_token: &str) -> Request {
        self.request(Method::POST, "/customer/token").json(json!({"refresh_token": refresh_token}))
    }

    /// Ends a session.
    pub fn sign_out(&self, refresh_token: &str) -> Request {
        self.request(Method::POST, "/customer/logout").json(json!({"refresh_token": refresh_token}))
    }

    /// Gets the receipt of an erasure.
    pub fn get_erasure_receipt(&self, id: &str) -> Request {
        self.get(&format!("/customer/erasure/{id}"))
    }

    /// Creates a guest cart and returns a client with its token.
    pub async fn create_guest_cart(&self) -> Self {
        self.with_token_of(&self.request(Method::POST, "/shopping/guest").await.expect_status(201))
    }

    /// Gets the cart.
    pub fn get_cart(&self) -> Request {
        self.get("/shopping/cart")
    }

    /// Adds to the quantity of a product in the cart.
    pub fn add_to_cart(&self, product: &Product, quantity: u64) -> Request {
        let line = json!({"product_id": product.id, "quantity": quantity});
        self.request(Method::POST, "/shopping/cart").json(line)
    }

    /// Sets the quantity of a product in the cart.
    pub fn set_quantity(&self, product: &Product, quantity: u64) -> Request {
        self.request(Method::PUT, &cart_line(product)).json(json!({"quantity": quantity}))
    }

    /// Removes a product from the cart.
    pub fn remove_from_cart(&self, product: &Product) -> Request {
        self.request(Method::DELETE, &cart_line(product))
    }

    /// Empties the cart.
    pub fn empty_cart(&self) -> Request {
        self.request(Method::DELETE, "/shopping/cart")
    }

    /// Gets a product.
    pub fn get_product(&self, product: &Product) -> Request {
        self.get(&product.path())
    }

    /// Lists products.
    pub fn list_products(&self, query: &[(&str, &str)]) -> Request {
        self.get("/products").query(query)
    }

    /// Gets all pages of a list and returns their items in order.
    pub async fn list_all(&self, path: &str, query: &[(&str, &str)]) -> Vec<Value> {
        let limit = if query.iter().any(|(name, _)| *name == "limit") { None } else { Some(("limit", PAGE_LIMIT)) };
        let query: Vec<_> = query.iter().copied().chain(limit).collect();
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.as_deref().map(|cursor| ("after", cursor));
            let query: Vec<_> = query.iter().copied().chain(after).collect();
            let page = self.get(path).query(&query).await.expect_status(200);
            items.extend_from_slice(page.items());
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }
}

fn cart_line(product: &Product) -> String {
    format!("/shopping/cart/{}", product.id)
}
