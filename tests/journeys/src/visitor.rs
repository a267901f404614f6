//! A visitor of the pages, with a browser that has cookies and no JavaScript.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Method;

use crate::client::Client;
use crate::html::{HtmlForm, encode};
use crate::response::Response;
use crate::shop::Shop;
use crate::wait::wait_for;

/// What a browser asks for.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A visitor of the pages.
pub struct Visitor {
    client: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Shop {
    /// Returns a visitor without cookies.
    pub fn visitor(&self) -> Visitor {
        Visitor { client: self.client(), cookies: Mutex::default() }
    }

    /// Returns a visitor who has signed in as the admin.
    pub async fn admin_visitor(&self) -> Visitor {
        let (email, password) = self.admin_account().await;
        let visitor = self.visitor();
        visitor.sign_in(email, password).await;
        visitor
    }
}

impl Visitor {
    /// Gets a page, and follows redirects.
    pub async fn open(&self, path: &str) -> Response {
        let mut response = self.send(Method::GET, path, None).await;
        for _ in 0..5 {
            match (response.status, response.header("Location")) {
                (301..=303, location) => response = self.send(Method::GET, location, None).await,
                _ => break,
            }
        }
        response
    }

    /// Gets a page without following redirects.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    /// Sends a form of `page`: these fields, with the page's hidden token. Follows redirects.
    pub async fn submit(&self, page: &Response, action: &str, fields: &[(&str, &str)]) -> Response {
        let token = hidden_token(page).unwrap_or_else(|| panic!("{page} has no form"));
        let fields = std::iter::once(("csrf", token)).chain(fields.iter().copied());
        let body: Vec<String> = fields.map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let response = self.post(action, &body.join("&")).await;
        match (response.status, response.header("Location")) {
            (301..=303, location) => self.open(location).await,
            _ => response,
        }
    }

    /// Sends a form as a browser does: with all of its fields. Follows redirects. Repeats it while
    /// the response is `503`: the shop bounds concurrent hashing.
    pub async fn send_form(&self, form: &HtmlForm) -> Response {
        let response = wait_for("a shop that is not busy", async || {
            let response = self.send(Method::POST, &form.action, Some(form.body())).await;
            if response.status == 503 { Err(response) } else { Ok(response) }
        })
        .await;
        match (response.status, response.header("Location")) {
            (301..=303, location) => self.open(location).await,
            _ => response,
        }
    }

    /// Signs in on the page.
    pub async fn sign_in(&self, email: &str, password: &str) {
        let page = self.open("/en/account/sign-in").await.expect_status(200);
        let form = page.form("/sign-in").set("email", email).set("password", password);
        self.send_form(&form).await.expect_status(200).expect_text("Your account");
    }

    /// Sends any body as a form.
    pub async fn post(&self, action: &str, body: &str) -> Response {
        let body = body.as_bytes().to_vec();
        self.send(Method::POST, action, Some(("application/x-www-form-urlencoded", body))).await
    }

    /// Returns the value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Sets a cookie as the shop would.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Deletes a cookie, as a browser does when it has expired.
    pub fn drop_cookie(&self, name: &str) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn send(&self, method: Method, path: &str, form: Option<(&str, Vec<u8>)>) -> Response {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            self.client.request(method, path).header("Accept", ACCEPT).header("Cookie", cookies.join("; "));
        if let Some((content_type, body)) = form {
            request = request.header("Content-Type", content_type).body(body);
        }
        let response = request.await;
        self.keep(&response);
        response
    }

    fn keep(&self, response: &Response) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for header in response.headers("Set-Cookie") {
            let (name, rest) = header.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Returns the hidden token of the first form of a page.
fn hidden_token(page: &Response) -> Option<&str> {
    let (_, rest) = page.html().split_once("name=\"csrf\" value=\"")?;
    rest.split('"').next()
}
