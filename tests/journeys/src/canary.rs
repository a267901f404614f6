//! A canary: a customer and a guest whose secrets and personal data occur nowhere else. A journey
//! sends them through the whole shop, also into fields where they do not belong, and then looks for
//! them in logs, events and errors.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::client::Client;
use crate::customer::Customer;
use crate::fixtures::{new_email, order_with, unique};
use crate::product::euros;
use crate::request::Request;
use crate::response::Response;
use crate::shop::Shop;

/// A card number that no payment provider gives out.
const CARD: &str = "4999123412341239";
const PHONE: &str = "+351912987654";

/// The words to look for.
pub struct Canary {
    /// Passwords, tokens, keys and codes. Databases have none of them either.
    secrets: Vec<(&'static str, String)>,
    /// E-mail addresses, names, addresses, telephone numbers, notes, and the secret of the
    /// authenticator app: the database of `customer` has them.
    personal: Vec<(&'static str, String)>,
    /// All answers that refuse something.
    errors: Vec<Response>,
    email: String,
}

impl Canary {
    /// Sends the canary through a shop: accounts, mails, the second step, orders, erasure.
    pub async fn fly(shop: &Shop) -> Self {
        let mut canary =
            Self { secrets: Vec::new(), personal: Vec::new(), errors: Vec::new(), email: new_email("canary") };
        let tea = shop.new_product("tea", &euros(499), 100).await;
        let customer = canary.open_account(shop).await;
        let (customer, code) = canary.use_second_step(shop, customer).await;
        let (street, name) = (unique("street"), unique("Canary "));
        let address = json!({
            "name": name, "line1": street, "city": "Berlin", "postal_code": "10117", "country": "DE", "phone": PHONE,
        });
        customer.add_address(address.clone()).await.expect_status(201);
        customer.update_profile(json!({"phone": PHONE})).await.expect_status(200);
        customer.add_to_cart(&tea, 2).await.expect_status(200);
        let note = unique("note");
        let fields = json!({"shipping_address": address, "shipping_method": "pickup", "note": note});
        let mut declined = fields.clone();
        declined["payment"] = json!({"method": "demo", "token": "demo_declined"});
        canary.expect_refused(customer.place_order_with("declined", declined)).await;
        let mut card = fields.clone();
        card["payment"] = json!({"method": "demo", "token": CARD});
        canary.expect_refused(customer.place_order_with("card", card)).await;
        let order = customer.place_order_with("key", fields).await.expect_status(201);
        let guest = shop.client().create_guest_cart().await;
        guest.add_to_cart(&tea, 1).await.expect_status(200);
        let guest_order = guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", "key");
        let guest_order = guest_order.json(order_with(&canary.email, json!({"note": note}))).await.expect_status(201);
        let link = guest_order["link"].as_str().unwrap();
        shop.client().get(link).await.expect_status(200);
        shop.wait_for_mail(&canary.email, "received").await;
        canary.secrets.push(("the key of a guest's link", link.split_once("key=").unwrap().1.to_owned()));
        canary.secrets.push(("a guest token", guest.token().to_owned()));
        canary.secrets.push(("a card", CARD.to_owned()));
        for (what, word) in [("a street", street), ("a name", name), ("a note", note), ("a phone", PHONE.to_owned())] {
            canary.personal.push((what, word));
        }
        canary.personal.push(("an e-mail address", canary.email.clone()));
        canary.use_pages(shop, &customer).await;
        canary.make_mistakes(shop, &customer).await;
        customer.export_data().await.expect_status(200);
        customer.cancel_order(order.id()).await.expect_status(200);
        canary.expect_refused(customer.delete_account()).await;
        let by_code = json!({"current": customer.password, "code": code});
        let deletion = customer.request(Method::DELETE, "/customer/profile").json(by_code);
        let receipt = deletion.retry_while_busy().await.expect_status(202);
        shop.client().wait_for_erasure(receipt.id()).await;
        canary
    }

    /// Fails when a text has a word of the canary.
    #[track_caller]
    pub fn expect_nothing_in(&self, place: &str, text: &str) {
        for (what, word) in self.secrets.iter().chain(&self.personal) {
            expect_absent(place, text, what, word);
        }
    }

    /// Fails when a text has a password, a token, a key or a code of the canary.
    #[track_caller]
    pub fn expect_no_secret_in(&self, place: &str, text: &str) {
        for (what, word) in &self.secrets {
            expect_absent(place, text, what, word);
        }
    }

    /// Fails when an answer that refuses something has a word of the canary.
    #[track_caller]
    pub fn expect_clean_errors(&self) {
        assert!(self.errors.len() > 10, "{} errors", self.errors.len());
        for error in &self.errors {
            let text = format!("{error}");
            let (_, answer) = text.split_once(" -> ").unwrap();
            self.expect_nothing_in(&text, answer);
        }
    }

    /// Signs up, verifies, forgets the password and sets another one.
    async fn open_account(&mut self, shop: &Shop) -> Customer {
        let (client, email) = (shop.client(), self.email.clone());
        let (first, second) = (unique("first password "), unique("second password "));
        let signed_up = client.sign_up(&email, &first).retry_while_busy().await.expect_status(201);
        let verify = shop.wait_for_mail(&email, "Verify").await.word_after("enter ").to_owned();
        post(&client, "/customer/verify", json!({"token": verify})).await.expect_status(204);
        post(&client, "/customer/password/forgot", json!({"email": email})).await.expect_status(204);
        let reset = shop.wait_for_mail(&email, "password").await.word_after("enter ").to_owned();
        let body = json!({"token": reset, "new": second});
        post(&client, "/customer/password/reset", body.clone()).retry_while_busy().await.expect_status(204);
        self.expect_refused(post(&client, "/customer/password/reset", body)).await;
        self.expect_refused(client.sign_in(&email, &first)).await;
        let signed_in = client.sign_in(&email, &second).retry_while_busy().await.expect_status(200);
        for response in [&signed_up, &signed_in] {
            self.keep_tokens(response);
        }
        let customer = Customer::from_sign_in(&client, &email, &second, &signed_in);
        for (what, secret) in
            [("a password", first), ("a password", second), ("a mail's token", verify), ("a mail's token", reset)]
        {
            self.secrets.push((what, secret));
        }
        customer
    }

    /// Turns the second step on, signs in with codes, and refreshes the session. Returns a code
    /// that is left.
    async fn use_second_step(&mut self, shop: &Shop, customer: Customer) -> (Customer, String) {
        let begun = post(&customer, "/customer/totp", json!({"current": customer.password})).retry_while_busy().await;
        let shown = begun.expect_status(200)["secret"].as_str().unwrap().to_owned();
        let secret = shown.replace(' ', "");
        let confirmed = post(&customer, "/customer/totp/confirm", json!({"code": code(&secret, 0)})).await;
        let confirmed = confirmed.expect_status(200);
        let recovery = confirmed["recovery_codes"].as_array().unwrap();
        // The shop accepts the next code too. A code of the step before could expire on the way.
        let (next, client) = (code(&secret, 1), shop.client());
        let sign_in = |code: &str| {
            let body = json!({"email": customer.email, "password": customer.password, "code": code});
            post(&client, "/customer/login", body)
        };
        let body = json!({"email": customer.email, "password": customer.password});
        let asks = post(&client, "/customer/login", body).retry_while_busy().await.expect_status(409);
        let challenge = asks["challenge"].as_str().unwrap().to_owned();
        let signed_in = sign_in(&next).retry_while_busy().await.expect_status(200);
        self.expect_refused(sign_in(&next)).await;
        self.expect_refused(post(&client, "/customer/login", json!({"challenge": challenge, "code": next}))).await;
        self.expect_refused(post(&client, "/customer/login", json!({"challenge": challenge}))).await;
        self.expect_refused(client.with_token(&challenge).get("/customer/profile")).await;
        self.secrets.push(("a challenge", challenge.rsplit_once('.').unwrap().1.to_owned()));
        let by_recovery = sign_in(recovery[0].as_str().unwrap()).retry_while_busy().await.expect_status(200);
        let refreshed = client.refresh_session(by_recovery["refresh_token"].as_str().unwrap()).await.expect_status(200);
        for response in [&signed_in, &by_recovery, &refreshed] {
            self.keep_tokens(response);
        }
        for code in recovery {
            self.secrets.push(("a recovery code", code.as_str().unwrap().to_owned()));
        }
        // Its six digits alone would be found in many a number.
        self.secrets.push(("a code", format!("\"{next}\"")));
        for word in [shown, secret] {
            self.personal.push(("the secret of an authenticator app", word));
        }
        let left = recovery[1].as_str().unwrap().to_owned();
        (Customer::from_sign_in(&client, &customer.email, &customer.password, &signed_in), left)
    }

    /// Signs in on a page, with a wrong code.
    async fn use_pages(&mut self, shop: &Shop, customer: &Customer) {
        let visitor = shop.visitor();
        visitor.set_cookie("refresh", &customer.refresh_token);
        for path in ["/en/account", "/en/account/addresses", "/en/account/orders", "/en/cart", "/en/admin"] {
            visitor.open(path).await;
        }
        let other = shop.visitor();
        let form = other.open("/en/account/sign-in").await.form("/sign-in");
        let asks = other.send_form(&form.set("email", &self.email).set("password", &customer.password)).await;
        let form = asks.form("/sign-in");
        self.secrets.push(("a challenge", form.value("challenge").rsplit_once('.').unwrap().1.to_owned()));
        other.send_form(&form.set("code", "wrong")).await.expect_status(401);
    }

    /// Sends secrets and personal data to where they do not belong.
    async fn make_mistakes(&mut self, shop: &Shop, customer: &Customer) {
        let (client, password) = (shop.client(), customer.password.clone());
        let with_body = |body: Vec<u8>| {
            client.request(Method::POST, "/customer/login").header("Content-Type", "application/json").body(body)
        };
        let broken = format!("{{\"email\": \"{}\", \"password\": \"{password}", self.email);
        let not_text = [broken.as_bytes(), b"\xff\"}"].concat();
        let basic = base64(&format!("{}:{password}", self.email));
        for request in [
            with_body(broken.into_bytes()),
            with_body(not_text),
            post(&client, "/customer/login", json!({"email": [self.email], "password": [password]})),
            post(&client, "/customer/login", json!({"email": password, "password": self.email})),
            post(&client, "/customer/signup", json!({"email": self.email, "password": password})),
            post(&client, "/customer/token", json!({"refresh_token": password})),
            post(&client, "/customer/verify", json!({"token": customer.token()})),
            post(customer, "/customer/address", json!({"name": password, "phone": CARD})),
            post(customer, "/shopping/cart/merge", json!({"guest": customer.refresh_token})),
            post(customer, "/shopping/cart", json!({"product_id": self.email, "quantity": CARD})),
            client.get("/customer/profile").query(&[("token", customer.token()), ("email", &self.email)]),
            client.get("/products").query(&[("page", &password), ("card", CARD)]),
            client.with_token(&password).get("/customer/profile"),
            client.get("/customer/profile").header("Authorization", format!("Basic {basic}")),
            client.get("/customer/profile").header("X-Request-Id", &self.email),
        ] {
            self.expect_refused(request).await;
        }
    }

    fn keep_tokens(&mut self, sign_in: &Response) {
        for (what, member) in [("an access token", "token"), ("a refresh token", "refresh_token")] {
            let token = sign_in[member].as_str().unwrap();
            // The last part is the secret one.
            self.secrets.push((what, token.rsplit_once('.').unwrap().1.to_owned()));
        }
    }

    async fn expect_refused(&mut self, request: Request) {
        let response = request.retry_while_busy().await;
        assert!(matches!(response.status, 400..500), "{response}");
        self.errors.push(response);
    }
}

#[track_caller]
fn expect_absent(place: &str, text: &str, what: &str, word: &str) {
    if let Some(at) = text.find(word) {
        let line = text[..at].lines().count();
        let around = text.get(at.saturating_sub(300)..(at + word.len() + 50).min(text.len())).unwrap_or_default();
        panic!("{place} has {what}, {word:?}, in line {line}:\n{around}");
    }
}

fn post(client: &Client, path: &str, body: Value) -> Request {
    client.request(Method::POST, path).json(body)
}

/// Returns the code that an app shows now, or will show after this number of steps of 30 s.
fn code(secret: &str, steps: u64) -> String {
    let app = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    app.generate(now + 30 * steps).to_string()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the log has a password, \"hunter2 and more\", in line 2")]
    fn a_word_is_found_wherever_it_is() {
        let (secrets, email) = (vec![("a password", "hunter2 and more".to_owned())], String::new());
        let canary = Canary { secrets, personal: Vec::new(), errors: Vec::new(), email };
        canary.expect_no_secret_in("the log", "a line\n");
        canary.expect_nothing_in("the log", "a line\nand é \"hunter2 and more\"");
    }
}
