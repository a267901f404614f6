//! Somebody at the door: not signed in, a guest with a cart, or with a token that came from elsewhere.

use reqwest::Method;
use serde_json::{Value, json};

use crate::ask::{Ask, Door};
use crate::goods::Product;

/// The longest page there is.
const PAGE: &str = "100";

/// Somebody who looks round.
#[derive(Clone)]
pub struct Visitor {
    door: Door,
    token: Option<String>,
}

impl Visitor {
    pub(crate) fn at(door: Door) -> Self {
        Self { door, token: None }
    }

    /// The same person, presenting `token`.
    pub fn presenting(&self, token: &str) -> Self {
        Self { door: self.door.clone(), token: Some(token.to_owned()) }
    }

    /// The token that this person presents.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Asks anything.
    pub fn asks(&self, method: Method, path: &str) -> Ask {
        let ask = self.door.asks(method, path);
        match &self.token {
            Some(token) => ask.bearer(token),
            None => ask,
        }
    }

    /// `GET` of a path.
    pub fn gets(&self, path: &str) -> Ask {
        self.asks(Method::GET, path)
    }

    /// Wants an account.
    pub fn signs_up(&self, email: &str, password: &str) -> Ask {
        self.asks(Method::POST, "/customer/signup").json(json!({"email": email, "password": password}))
    }

    /// Comes back to an account.
    pub fn signs_in(&self, email: &str, password: &str) -> Ask {
        self.asks(Method::POST, "/customer/login").json(json!({"email": email, "password": password}))
    }

    /// Stays signed in.
    pub fn refreshes(&self, refresh_token: &str) -> Ask {
        self.asks(Method::POST, "/customer/token").json(json!({"refresh_token": refresh_token}))
    }

    /// Ends a session.
    pub fn logs_out(&self, refresh_token: &str) -> Ask {
        self.asks(Method::POST, "/customer/logout").json(json!({"refresh_token": refresh_token}))
    }

    /// Looks at what has become of an erasure.
    pub fn looks_at_receipt(&self, id: &str) -> Ask {
        self.gets(&format!("/customer/erasure/{id}"))
    }

    /// Wants a cart without an account, and from then on shows the token of one.
    pub async fn becomes_a_guest(&self) -> Self {
        let welcome = self.asks(Method::POST, "/shopping/guest").await.expect_status(201);
        self.presenting(welcome["token"].as_str().unwrap_or_else(|| panic!("{welcome} has no token")))
    }

    /// Looks into the cart.
    pub fn cart(&self) -> Ask {
        self.gets("/shopping/cart")
    }

    /// Puts more into the cart.
    pub fn adds(&self, product: &Product, quantity: u64) -> Ask {
        let line = json!({"product_id": product.id, "quantity": quantity});
        self.asks(Method::POST, "/shopping/cart").json(line)
    }

    /// Wants so many, whatever is in the cart.
    pub fn sets(&self, product: &Product, quantity: u64) -> Ask {
        self.asks(Method::PUT, &line(product)).json(json!({"quantity": quantity}))
    }

    /// Takes a product out of the cart.
    pub fn removes(&self, product: &Product) -> Ask {
        self.asks(Method::DELETE, &line(product))
    }

    /// Takes everything out of the cart.
    pub fn empties_the_cart(&self) -> Ask {
        self.asks(Method::DELETE, "/shopping/cart")
    }

    /// Looks at one product.
    pub fn looks_at(&self, product: &Product) -> Ask {
        self.gets(&product.path())
    }

    /// Looks at products.
    pub fn looks_round(&self, query: &[(&str, &str)]) -> Ask {
        self.gets("/products").query(query)
    }

    /// Goes through a list from its first page to its last, and returns all items in the order met.
    pub async fn walks_through(&self, path: &str, query: &[(&str, &str)]) -> Vec<Value> {
        let limit = if query.iter().any(|(name, _)| *name == "limit") { None } else { Some(("limit", PAGE)) };
        let query: Vec<_> = query.iter().copied().chain(limit).collect();
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let place = after.as_deref().map(|cursor| ("after", cursor));
            let query: Vec<_> = query.iter().copied().chain(place).collect();
            let page = self.gets(path).query(&query).await.expect_status(200);
            items.extend_from_slice(page.items());
            match page["next"].as_str() {
                Some(cursor) => after = Some(cursor.to_owned()),
                None => return items,
            }
        }
    }
}

fn line(product: &Product) -> String {
    format!("/shopping/cart/{}", product.id)
}
