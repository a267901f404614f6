//! The session of a visitor: a customer who has signed in, a guest with a cart, or neither. Its
//! tokens are in cookies of the browser, and nowhere else.

use rocket::Request;
use souk_contract::shopping::{MAX_CODE, MAX_CODES};
use tokio::sync::OnceCell;

use crate::api::session::SignIn;
use crate::api::{Api, Problem, Result, Token};
use crate::cookies::{self, Cookie, DAY, MONTH};
use crate::csrf;
use crate::links::encode;

/// Seconds before its expiry from which an access token is not used, so that it does not expire on
/// its way.
const EXPIRY_MARGIN: u64 = 20;

/// The session of the visitor of a request.
#[derive(Clone, Copy)]
pub(crate) struct VisitorSession<'r> {
    request: &'r Request<'r>,
}

/// The access token of a request, once it was needed: two parts of a page refresh it only once.
#[derive(Default)]
struct AccessToken(OnceCell<Result<Option<Token>>>);

impl<'r> VisitorSession<'r> {
    /// Returns the session of a request.
    pub(crate) fn of(request: &'r Request<'_>) -> Self {
        Self { request }
    }

    /// Whether the visitor has signed in, as far as the cookies tell. The session may have ended.
    pub(crate) fn is_signed_in(self) -> bool {
        [Cookie::Refresh, Cookie::Access].into_iter().any(|cookie| cookies::read(self.request, cookie).is_some())
    }

    /// Returns the access token of a customer; `None` for a visitor who has not signed in, or whose
    /// session has ended. Refreshes an expired token.
    ///
    /// Errors: `customer` does not answer.
    pub(crate) async fn access_token(self, api: Api<'_>) -> Result<Option<Token>> {
        let token = self.request.local_cache(AccessToken::default);
        token.0.get_or_init(|| self.read_or_refresh(api)).await.clone()
    }

    /// Returns the token of the cart: that of the customer, or of the guest; `None` when the
    /// visitor has no cart yet.
    pub(crate) async fn cart_token(self, api: Api<'_>) -> Result<Option<Token>> {
        let customer = self.access_token(api).await?;
        Ok(customer.or_else(|| self.guest_token()))
    }

    /// Returns the token of the cart, and creates a guest cart for a visitor without one.
    pub(crate) async fn cart_token_or_new(self, api: Api<'_>) -> Result<Token> {
        if let Some(token) = self.cart_token(api).await? {
            return Ok(token);
        }
        let guest = api.create_guest_cart().await?;
        cookies::set(self.request, Cookie::Guest, guest.token.clone(), guest.expires_in);
        Ok(Token(guest.token))
    }

    /// Returns the guest token.
    pub(crate) fn guest_token(self) -> Option<Token> {
        cookies::read(self.request, Cookie::Guest).map(Token)
    }

    /// Drops the guest token: its cart was merged, or has expired.
    pub(crate) fn drop_guest(self) {
        cookies::delete(self.request, Cookie::Guest);
    }

    /// Begins the session of a customer, after a sign-in or a sign-up. All of its secrets are new.
    pub(crate) fn sign_in(self, sign_in: &SignIn) {
        self.begin(sign_in);
        csrf::renew(self.request);
    }

    /// Ends the session of a customer at a sign-out.
    pub(crate) fn sign_out(self) {
        self.end();
        csrf::renew(self.request);
    }

    fn begin(self, sign_in: &SignIn) {
        let lifetime = sign_in.expires_in.saturating_sub(EXPIRY_MARGIN);
        cookies::set(self.request, Cookie::Access, sign_in.token.clone(), lifetime);
        cookies::set(self.request, Cookie::Refresh, sign_in.refresh_token.clone(), MONTH);
    }

    /// Ends the session of a customer. The cart of a customer is no longer shown.
    fn end(self) {
        for cookie in [Cookie::Access, Cookie::Refresh, Cookie::CartCount] {
            cookies::delete(self.request, cookie);
        }
    }

    /// Drops an access token that a service has refused. The next page refreshes it, or finds that
    /// the session has ended.
    pub(crate) fn drop_access_token(self) {
        cookies::delete(self.request, Cookie::Access);
    }

    /// Returns the refresh token, which a sign-out names.
    pub(crate) fn refresh_token(self) -> Option<String> {
        cookies::read(self.request, Cookie::Refresh)
    }

    /// Returns the number of pieces in the cart when a page last showed the cart.
    pub(crate) fn cart_count(self) -> u32 {
        cookies::read(self.request, Cookie::CartCount).and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// Records the number of pieces in the cart, which every page shows.
    pub(crate) fn set_cart_count(self, pieces: u32) {
        if self.cart_count() != pieces {
            cookies::set(self.request, Cookie::CartCount, pieces.to_string(), MONTH);
        }
    }

    /// Returns the discount codes that the visitor has entered.
    pub(crate) fn codes(self) -> Vec<String> {
        let codes = cookies::read(self.request, Cookie::Codes).unwrap_or_default();
        let decode = |code: &str| percent_encoding::percent_decode_str(code).decode_utf8_lossy().into_owned();
        codes.split('.').filter(|code| !code.is_empty()).take(MAX_CODES).map(decode).collect()
    }

    /// Stores the discount codes.
    pub(crate) fn set_codes(self, codes: &[String]) {
        // A dot separates the codes, so it is encoded too.
        let codes: Vec<String> = codes.iter().take(MAX_CODES).map(|code| encode(code).replace('.', "%2E")).collect();
        if codes.is_empty() {
            cookies::delete(self.request, Cookie::Codes);
        } else {
            cookies::set(self.request, Cookie::Codes, codes.join("."), MONTH);
        }
    }

    /// Adds a discount code to the others, once, however it is written.
    pub(crate) fn add_code(self, code: &str) {
        let folded = |code: &str| -> String {
            code.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
        };
        let mut codes = self.codes();
        codes.retain(|known| folded(known) != folded(code));
        codes.push(code.chars().take(MAX_CODE).collect());
        self.set_codes(&codes);
    }

    /// Removes a discount code.
    pub(crate) fn remove_code(self, removed: &str) {
        let mut codes = self.codes();
        codes.retain(|code| code != removed);
        self.set_codes(&codes);
    }

    /// Returns the id and the key of the latest order that this guest has placed.
    pub(crate) fn last_order(self) -> Option<(String, String)> {
        let order = cookies::read(self.request, Cookie::LastOrder)?;
        order.split_once('.').map(|(id, key)| (id.to_owned(), key.to_owned()))
    }

    /// Stores the id and the key of an order that this guest has placed.
    pub(crate) fn set_last_order(self, id: &str, key: &str) {
        cookies::set(self.request, Cookie::LastOrder, format!("{id}.{key}"), DAY);
    }

    async fn read_or_refresh(self, api: Api<'_>) -> Result<Option<Token>> {
        if let Some(token) = cookies::read(self.request, Cookie::Access) {
            return Ok(Some(Token(token)));
        }
        let Some(refresh_token) = self.refresh_token() else { return Ok(None) };
        match api.refresh(&refresh_token).await {
            Ok(sign_in) => {
                self.begin(&sign_in);
                Ok(Some(Token(sign_in.token)))
            }
            Err(problem @ Problem::Unavailable) => Err(problem),
            Err(problem) if problem.is_unauthenticated() => {
                self.end();
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }
}
