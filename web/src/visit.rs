//! What a route knows of its visitor: the language, the session, a client of the API, and the outer
//! parts of the page.

use std::net::{IpAddr, Ipv4Addr};

use rocket::Request;
use rocket::http::{Method, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::Redirect;
use souk_types::Error;

use crate::api::{Api, Token};
use crate::app::App;
use crate::csrf;
use crate::links;
use crate::locale::{Key, Language, Message};
use crate::page::{Frame, PageError};
use crate::session::VisitorSession;

/// Request guard: the visit of a page.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'r> {
    pub(crate) app: &'r App,
    pub(crate) language: Language,
    pub(crate) session: VisitorSession<'r>,
    pub(crate) api: Api<'r>,
    /// The visitor's address.
    pub(crate) client: IpAddr,
    request: &'r Request<'r>,
}

impl<'r> Visit<'r> {
    /// Returns the visit of a request; `None` when the state of `web` is not managed.
    pub(crate) fn of(request: &'r Request<'_>) -> Option<Self> {
        let app: &App = request.rocket().state()?;
        // Only a request of a unit test has no address.
        let client = request.remote().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.ip());
        let (language, user_agent) = (Language::of(request), request.headers().get_one("User-Agent"));
        Some(Self {
            app,
            language,
            session: VisitorSession::of(request),
            api: Api::new(&app.bus, client).with_browser(user_agent, language),
            client,
            request,
        })
    }

    /// Returns a text in the language of the page.
    pub(crate) fn text<'a>(&self, key: impl Into<Key>) -> Message<'a> {
        self.language.text(key)
    }

    /// Returns the URL of a page in this language: `/cart` is `/en/cart`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.language.prefix())
    }

    /// Returns the outer parts of a page with this title: header, footer, and what search engines
    /// read. See [`Frame`] for the parts that a page adds.
    pub(crate) async fn frame(&self, title: impl Into<String>) -> Result<Frame, PageError> {
        self.app.shop.refresh(self.api).await;
        self.frame_from_cache(title)
    }

    /// Returns the outer parts with what the process knows of the shop, without a request.
    pub(crate) fn frame_from_cache(&self, title: impl Into<String>) -> Result<Frame, PageError> {
        let origin = self.request.uri();
        let path = origin.path().as_str().trim_end_matches('/');
        let (shop, categories) = self.app.shop.cached();
        self.language.remember(self.request);
        Ok(Frame {
            language: self.language,
            title: title.into(),
            description: String::new(),
            path: path.strip_prefix(self.language.prefix()).unwrap_or_default().to_owned(),
            query: origin.query().map(|query| format!("?{query}")).unwrap_or_default(),
            canonical_query: String::new(),
            public_url: self.app.options.public_url.clone(),
            image: None,
            json_ld: Vec::new(),
            is_indexed: false,
            shop,
            categories,
            search: String::new(),
            cart_count: self.session.cart_count(),
            is_signed_in: self.session.is_signed_in(),
            csrf: csrf::token(self.request)?,
        })
    }

    /// Drops a token that a service has refused: it was revoked, or the guest's cart has expired. A
    /// customer gets a new token on the way to the sign-in page, and a guest the empty cart.
    pub(crate) fn renew_session(&self) -> Redirect {
        if self.session.is_signed_in() {
            self.session.drop_access_token();
            return Redirect::to(self.sign_in_url(&self.here()));
        }
        self.session.drop_guest();
        self.session.set_cart_count(0);
        Redirect::to(self.url("/cart"))
    }

    /// Returns the access token of the customer. Errors: a redirect to the sign-in page, which
    /// leads back here; `customer` does not answer.
    pub(crate) async fn require_customer(&self) -> Result<Token, PageError> {
        self.session.access_token(self.api).await?.ok_or_else(|| PageError::SignIn(self.sign_in_url(&self.here())))
    }

    /// Returns the URL of the sign-in page, which leads to `next` afterwards.
    pub(crate) fn sign_in_url(&self, next: &str) -> String {
        format!("{}?next={}", self.url("/account/sign-in"), links::encode(next))
    }

    /// Returns the path and query of this page; for a form, of the page that has it.
    fn here(&self) -> String {
        if matches!(self.request.method(), Method::Get | Method::Head) {
            return self.request.uri().to_string();
        }
        self.referrer().unwrap_or_else(|| self.url("/cart"))
    }

    /// Returns the path of the page of this shop that a form was sent from.
    fn referrer(&self) -> Option<String> {
        let (_, rest) = self.request.headers().get_one("Referer")?.split_once("://")?;
        let path = rest.strip_prefix(&self.request.host()?.to_string())?;
        links::local(path).map(ToOwned::to_owned)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Visit<'r> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        match Self::of(request) {
            Some(visit) => Outcome::Success(visit),
            None => Outcome::Error((Status::InternalServerError, Error::internal("the state of web is not managed"))),
        }
    }
}
