//! Serves requests of the public API that come over the bus, from `web`. They run through the same
//! Rocket as those that come over HTTP: guards, limits, errors and the request log are the same.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use rocket::http::Header;
use rocket::local::asynchronous::Client;
use souk_bus::{Bus, request_context};
use souk_contract::api::{ApiCall, ApiRequest, ApiResponse, MAX_FILE, MAX_REQUEST_BODY, MAX_RESPONSE_BODY};
use souk_types::{Error, Result};
use tokio::io::AsyncReadExt;

use super::head;
use crate::body::PendingBody;
use crate::limits::OverBus;

/// The services of this process whose API is served over the bus. [`super::run`] serves those of
/// the managed value.
#[derive(Default)]
pub struct BusApi {
    mounts: Vec<Mount>,
}

struct Mount {
    /// The path at which the service's routes are mounted; empty for the root.
    prefix: &'static str,
    serve: fn(&Bus, Arc<Client>, &'static str),
}

impl BusApi {
    /// Adds the service of `C`, whose routes are mounted at `prefix`: `/customer`, or `/` for a
    /// service of a fleet.
    #[must_use]
    pub fn with<C: ApiCall>(mut self, prefix: &'static str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        self.mounts.push(Mount { prefix, serve: serve::<C> });
        self
    }

    /// Serves the API of each service from now on.
    pub(super) fn serve(&self, bus: &Bus, rocket: &Arc<Client>) {
        for mount in &self.mounts {
            (mount.serve)(bus, Arc::clone(rocket), mount.prefix);
        }
    }
}

fn serve<C: ApiCall>(bus: &Bus, rocket: Arc<Client>, prefix: &'static str) {
    bus.serve(move |call: C| {
        let rocket = Arc::clone(&rocket);
        async move { dispatch(&rocket, prefix, call.into_request()).await }
    });
}

/// Errors: the request or the response is over its limit, or the target is not a path. Every error
/// of a route is a response.
async fn dispatch(rocket: &Client, prefix: &str, request: ApiRequest) -> Result<ApiResponse> {
    let body = body(request.body, request.is_base64)?;
    let not_a_path = || Error::malformed("The target of an API request is not a path of the service.");
    let uri = Uri::try_from(format!("{prefix}{}", request.target)).map_err(|_| not_a_path())?;
    if !request.target.starts_with('/') {
        return Err(not_a_path());
    }
    let target = head::target(&uri).map_err(|_| not_a_path())?;
    let method = head::method(request.method.as_str()).map_err(|_| not_a_path())?;
    let mut local = rocket.req(method, target).remote(SocketAddr::new(request.client, 0));
    for (name, value) in request.headers {
        local.add_header(Header::new(name, value));
    }
    if let Some(id) = request_context::current() {
        local.replace_header(Header::new("X-Request-Id", id.to_string()));
    }
    OverBus::mark(local.inner());
    PendingBody::put_bytes(local.inner(), body);
    let mut response = local.dispatch().await;
    let mut body = Vec::new();
    let read = (&mut response).take(MAX_RESPONSE_BODY as u64 + 1).read_to_end(&mut body).await;
    read.map_err(Error::internal)?;
    if body.len() > MAX_RESPONSE_BODY {
        return Err(Error::internal(format!("an API response is larger than {MAX_RESPONSE_BODY} bytes")));
    }
    let headers = response.headers().iter();
    Ok(ApiResponse {
        status: response.status().code,
        headers: headers.map(|header| (header.name.as_str().to_owned(), header.value.into_owned())).collect(),
        body: String::from_utf8(body).map_err(|_| Error::internal("an API response is not text"))?,
    })
}

/// Errors: the body is over its limit, or not in Base64.
fn body(text: String, is_base64: bool) -> Result<Vec<u8>> {
    if !is_base64 {
        return if text.len() as u64 > MAX_REQUEST_BODY {
            Err(Error::too_large(MAX_REQUEST_BODY))
        } else {
            Ok(text.into_bytes())
        };
    }
    if text.len() > MAX_FILE.div_ceil(3) * 4 {
        return Err(Error::too_large(MAX_FILE as u64));
    }
    STANDARD.decode(text).map_err(|_| Error::malformed("The body of an API request is not in Base64."))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use rocket::{get, post, routes};
    use souk_contract::api::{ApiMethod, ProductsApi};
    use souk_types::input::{Fields, Input};
    use souk_types::{ErrorKind, RequestId};

    use super::*;
    use crate::stop::ShutdownFlag;
    use crate::{Body, ClientNetwork, Json, with_limits};

    struct Words(String);

    impl Input for Words {
        fn read(fields: &mut Fields) -> Option<Self> {
            fields.required("words").map(Self)
        }
    }

    #[get("/client?<q>")]
    fn get_client(network: ClientNetwork, q: Option<&str>) -> String {
        format!("{:?} {}", network.0, q.unwrap_or_default())
    }

    #[post("/words", data = "<body>")]
    fn post_words(body: Json<Words>) -> String {
        body.0.0
    }

    #[post("/file", data = "<body>")]
    async fn post_file(body: Body<'_>) -> crate::Result<String> {
        Ok(body.read(MAX_FILE as u64).await?.len().to_string())
    }

    #[post("/small-file", data = "<body>")]
    async fn post_small_file(body: Body<'_>) -> crate::Result<String> {
        Ok(body.read(3).await?.len().to_string())
    }

    #[get("/large?<bytes>")]
    fn large(bytes: usize) -> String {
        "a".repeat(bytes)
    }

    /// Returns a bus whose API of `products` is mounted at `prefix`.
    async fn bus(prefix: &'static str) -> (Bus, Arc<Client>) {
        let rocket = crate::rocket(IpAddr::from([127, 0, 0, 1]), 0);
        let rocket =
            rocket.mount(prefix, with_limits(routes![get_client, post_words, post_file, post_small_file, large]));
        let client = Arc::new(Client::untracked(rocket).await.unwrap());
        let bus = Bus::local();
        BusApi::default().with::<ProductsApi>(prefix).serve(&bus, &client);
        (bus, client)
    }

    async fn call(bus: &Bus, method: ApiMethod, target: &str, body: &str) -> Result<ApiResponse> {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let client = IpAddr::from([203, 0, 113, 9]);
        let (target, body) = (target.to_owned(), body.to_owned());
        let request = ApiRequest { method, target, headers, client, body, is_base64: false };
        bus.call(ProductsApi::from_request(request)).await
    }

    async fn upload(bus: &Bus, target: &str, body: String) -> Result<ApiResponse> {
        let (method, target, client) = (ApiMethod::Post, target.to_owned(), IpAddr::from([203, 0, 113, 9]));
        let request = ApiRequest { method, target, headers: Vec::new(), client, body, is_base64: true };
        bus.call(ProductsApi::from_request(request)).await
    }

    #[rocket::async_test]
    async fn a_request_is_served_as_over_http_below_any_prefix() {
        for prefix in ["/", "/products"] {
            let (bus, _client) = bus(prefix).await;
            let id: RequestId = "r-7".parse().unwrap();
            let get = call(&bus, ApiMethod::Get, "/client?q=green%20tea", "");
            let response = request_context::scope(Some(id), get).await.unwrap();
            assert!(response.body.contains("203.0.113") && response.body.ends_with(" green tea"), "{}", response.body);
            assert_eq!((response.status, response.header("x-request-id")), (200, Some("r-7")));
            let posted = call(&bus, ApiMethod::Post, "/words", r#"{"words": "öl"}"#).await.unwrap();
            assert_eq!((posted.status, &*posted.body), (200, "öl"));
        }
    }

    #[rocket::async_test]
    async fn an_error_of_a_route_is_a_response() {
        let (bus, _client) = bus("/products").await;
        for (method, target, body, status) in [
            (ApiMethod::Post, "/words", r#"{"word": 1}"#, 422),
            (ApiMethod::Post, "/words", "", 400),
            (ApiMethod::Get, "/nothing", "", 404),
            (ApiMethod::Delete, "/words", "", 405),
        ] {
            let response = call(&bus, method, target, body).await.unwrap();
            assert_eq!(response.status, status, "{target} {body}");
            assert_eq!(response.header("Content-Type"), Some("application/problem+json"));
        }
    }

    #[rocket::async_test]
    async fn bodies_are_bounded_and_targets_are_paths() {
        let (bus, _client) = bus("/products").await;
        let body = "a".repeat(usize::try_from(MAX_REQUEST_BODY).unwrap() + 1);
        let too_large = call(&bus, ApiMethod::Post, "/words", &body).await;
        assert_eq!(too_large.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
        let largest = call(&bus, ApiMethod::Get, &format!("/large?bytes={MAX_RESPONSE_BODY}"), "").await.unwrap();
        assert_eq!(largest.body.len(), MAX_RESPONSE_BODY);
        let larger = call(&bus, ApiMethod::Get, &format!("/large?bytes={}", MAX_RESPONSE_BODY + 1), "").await;
        assert_eq!(larger.err().map(|error| error.kind()), Some(ErrorKind::Internal));
        for target in ["client", "/../customer/client", "//client", "/%ff", "/a b", ""] {
            let refused = call(&bus, ApiMethod::Get, target, "").await;
            assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Malformed), "{target}");
        }
    }

    #[rocket::async_test]
    async fn a_file_is_larger_than_text_and_bounded_by_its_route() {
        let (bus, _client) = bus("/products").await;
        let largest = STANDARD.encode(vec![0xff; MAX_FILE]);
        assert_eq!(upload(&bus, "/file", largest.clone()).await.unwrap().body, MAX_FILE.to_string());
        let too_large = upload(&bus, "/file", format!("{largest}AAAA")).await;
        assert_eq!(too_large.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
        for (bytes, status) in [(3, 200), (4, 413)] {
            let response = upload(&bus, "/small-file", STANDARD.encode(vec![0; bytes])).await.unwrap();
            assert_eq!(response.status, status, "{bytes}");
        }
        let no_base64 = upload(&bus, "/file", "öl".to_owned()).await;
        assert_eq!(no_base64.err().map(|error| error.kind()), Some(ErrorKind::Malformed));
    }

    #[rocket::async_test]
    async fn an_instance_that_stops_serves_the_calls_that_it_has_taken() {
        let (bus, client) = bus("/").await;
        client.rocket().state::<ShutdownFlag>().unwrap().set();
        assert_eq!(call(&bus, ApiMethod::Get, "/client", "").await.unwrap().status, 200);
    }
}
