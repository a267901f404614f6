//! Requests of the public API, carried over the bus. `web` renders its pages from them. A service
//! dispatches such a request to the routes that serve its HTTP clients, so that a page has the
//! rights and the rules of `docs/api.md`, and no others.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Request;

/// Timeout of a request over HTTP. Shorter than nginx's 5.5 s, so that the client gets
/// problem+json.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest body of a request, in bytes, over HTTP and over the bus. The largest ones hold 20
/// addresses or 100 ids.
pub const MAX_REQUEST_BODY: u64 = 64 * 1024;

/// The largest file that a request over the bus uploads, in bytes: a photo of a phone has 2 to 8
/// MiB.
pub const MAX_FILE: usize = 8 * 1024 * 1024;

/// The largest body of a response, in bytes. A page of 100 products fits into half of it.
pub const MAX_RESPONSE_BODY: usize = 1024 * 1024;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApiMethod {
    /// Reads.
    Get,
    /// Creates, or does what is no plain change.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl ApiMethod {
    /// Returns the name in HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request of the public API. It has no `Debug`, because its headers and its body contain tokens
/// and personal data. The id of the request travels with the call itself.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiRequest {
    /// The method.
    pub method: ApiMethod,
    /// Path and query below the service's prefix: `/order/0198...?key=...`.
    pub target: String,
    /// Names and values, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// The address of the client of the page, which the limits of attempts count by.
    pub client: IpAddr,
    /// Text of at most [`MAX_REQUEST_BODY`] bytes, or a file; empty without a body.
    pub body: String,
    /// Whether the body is a file of at most [`MAX_FILE`] bytes in Base64 (RFC 4648, section 4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_base64: bool,
}

/// The response to an [`ApiRequest`], whatever its status. It has no `Debug` either.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiResponse {
    /// The status code.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Text of at most [`MAX_RESPONSE_BODY`] bytes.
    pub body: String,
}

impl ApiResponse {
    /// Returns the first header of this name; names are compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A request of one service's API. Every type of this trait carries an [`ApiRequest`] alone.
pub trait ApiCall: Request<Reply = ApiResponse> {
    /// Wraps a request.
    fn from_request(request: ApiRequest) -> Self;
    /// Returns the request.
    fn into_request(self) -> ApiRequest;
}

macro_rules! api_call {
    ($(#[$doc:meta])* $call:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $call(ApiRequest);

        impl Request for $call {
            const NAME: &'static str = $name;
            type Reply = ApiResponse;
        }

        impl ApiCall for $call {
            fn from_request(request: ApiRequest) -> Self {
                Self(request)
            }

            fn into_request(self) -> ApiRequest {
                self.0
            }
        }
    };
}

api_call!(
    /// A request of the API of `customer`.
    CustomerApi,
    "customer.api"
);
api_call!(
    /// A request of the API of `mail`.
    MailApi,
    "mail.api"
);
api_call!(
    /// A request of the API of `products`.
    ProductsApi,
    "products.api"
);
api_call!(
    /// A request of the API of `shopping`.
    ShoppingApi,
    "shopping.api"
);
