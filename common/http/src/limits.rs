//! The wrapper of every route: request context, rate limit, concurrency limit, time limit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::Route;
use rocket::data::Data;
use rocket::http::Method;
use rocket::request::Request;
use rocket::route::{self, Handler};
use souk_bus::request_context;
use souk_contract::api::{MAX_REQUEST_BODY, REQUEST_TIMEOUT};
use souk_types::{Error, Network};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client_address::ClientNetwork;
use crate::concurrency_limit::{ConcurrencyLimiter, Permit};
use crate::config::Environment;
use crate::problem::refuse;
use crate::rate_limit::{PerMinute, RateLimiter};
use crate::stop::ShutdownFlag;
use crate::{Body, request_id};

/// Requests served at once. With many more all time out: each gets too little CPU and database.
pub(crate) const MAX_CONCURRENT_REQUESTS: usize = 64;
/// Wait for a permit. It leaves most of [`REQUEST_TIMEOUT`] for the request itself.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Requests of one network in a minute. A visitor opens some dozens of pages in a minute, and an
/// office or a mobile provider has many visitors behind one address.
const DEFAULT_REQUESTS_PER_NETWORK: PerMinute = PerMinute::new(1_800);
/// The requests of this many seconds may come at once: a page with its pictures is twenty.
const REQUEST_BURST_SECONDS: u32 = 10;

/// The limit of all requests of one client, managed by a Rocket. A Rocket without it has no such
/// limit. Requests of pages to the API do not count: the request of the page did.
pub struct RequestLimit(RateLimiter<Network>);

impl RequestLimit {
    /// Reads `REQUESTS_PER_MINUTE_PER_NETWORK`, and collects problems.
    #[must_use]
    pub fn read_rate(environment: &mut Environment) -> PerMinute {
        environment.refuse_former_name("REQUESTS_PER_ADDRESS", "REQUESTS_PER_MINUTE_PER_NETWORK");
        let rate: Option<PerMinute> = environment.optional("REQUESTS_PER_MINUTE_PER_NETWORK");
        rate.unwrap_or(DEFAULT_REQUESTS_PER_NETWORK).with_burst_of_seconds(REQUEST_BURST_SECONDS)
    }

    /// Returns the limit with this rate for each network. It counts in this process only: to share
    /// it, each instance would broadcast every request.
    #[must_use]
    pub fn new(rate: PerMinute) -> Self {
        Self(RateLimiter::new(rate))
    }

    /// Counts a request. Errors: `too-many-requests`.
    fn check(request: &Request<'_>) -> Result<(), Error> {
        let Some(Self(limiter)) = request.rocket().state::<Self>().filter(|_| !OverBus::is(request)) else {
            return Ok(());
        };
        let ClientNetwork(network) = ClientNetwork::of(request);
        limiter.check(&network).map_err(|wait| {
            let detail = "There are too many requests from this network. Wait before the next one.";
            Error::too_many_requests("too-many-requests", detail, wait)
        })
    }
}

/// Gives each request its context, the concurrency limit and the request timeout. While the
/// instance shuts down, idempotent requests are refused, so that the proxy sends them elsewhere.
#[must_use]
pub fn with_limits(routes: Vec<Route>) -> Vec<Route> {
    wrap(Limits::ConcurrencyAndTime, routes)
}

/// Like [`with_limits`], for routes that make requests of the API over the bus. They have permits
/// of their own: in one process, pages that hold all permits would wait for their own requests.
#[must_use]
pub fn with_page_limits(routes: Vec<Route>) -> Vec<Route> {
    wrap(Limits::PageConcurrencyAndTime, routes)
}

/// The limiter of pages.
#[derive(Clone)]
pub(crate) struct PageLimiter(ConcurrencyLimiter);

impl Default for PageLimiter {
    fn default() -> Self {
        Self(ConcurrencyLimiter::new(MAX_CONCURRENT_REQUESTS))
    }
}

/// With the request timeout only: health checks must be answered under any load.
#[must_use]
pub(crate) fn with_timeout(routes: Vec<Route>) -> Vec<Route> {
    wrap(Limits::Time, routes)
}

/// Like [`with_limits`], with the limit of requests only: for imports, which may take minutes.
#[must_use]
pub fn without_limits(routes: Vec<Route>) -> Vec<Route> {
    wrap(Limits::None, routes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limits {
    ConcurrencyAndTime,
    PageConcurrencyAndTime,
    Time,
    None,
}

fn wrap(limits: Limits, routes: Vec<Route>) -> Vec<Route> {
    let wrap = |mut route: Route| {
        route.handler = Box::new(LimitedHandler { handler: route.handler, limits });
        route
    };
    routes.into_iter().map(wrap).collect()
}

#[derive(Clone)]
struct LimitedHandler {
    handler: Box<dyn Handler>,
    limits: Limits,
}

#[rocket::async_trait]
impl Handler for LimitedHandler {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        // The catcher of pages makes a page of it, the one of the API a problem.
        let fail = |error| route::Outcome::error(refuse(request, error));
        // The idempotent methods that routes use (RFC 9110, section 9.2.2).
        let is_idempotent = matches!(request.method(), Method::Get | Method::Head | Method::Put | Method::Delete);
        if is_idempotent && ShutdownFlag::is_set_for(request) && !OverBus::is(request) {
            return fail(Error::stopping());
        }
        if self.limits != Limits::Time
            && let Err(error) = RequestLimit::check(request)
        {
            return fail(error);
        }
        let admission = request.local_cache(|| Admission::new(self.limits, request));
        let work = request_context::scope(Some(request_id(request).clone()), async {
            // Most of these routes take no body. One that does not arrive whole is refused
            // nevertheless.
            if matches!(request.method(), Method::Get | Method::Head | Method::Delete)
                && let Err(error) = Body::of(request).read_ahead(request, MAX_REQUEST_BODY).await
            {
                return fail(error);
            }
            self.handler.handle(request, data).await
        });
        if let Err(error) = admission.enter().await {
            return fail(error);
        }
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            // The timeout does not undo writes of the handler; background jobs finish the work.
            () = admission.expired() => fail(Error::busy("The request took too long; try again.")),
        };
        admission.leave();
        outcome
    }
}

/// Marks a request that came over the bus, in its local cache. An instance that stops takes no
/// further calls, and serves those that it has taken: nothing sends them elsewhere.
#[derive(Default)]
pub(crate) struct OverBus(bool);

impl OverBus {
    pub(crate) fn mark(request: &Request<'_>) {
        request.local_cache(|| Self(true));
    }

    fn is(request: &Request<'_>) -> bool {
        request.local_cache(Self::default).0
    }
}

/// The permit of a request and the time that it has left, in the request's local cache. While its
/// body arrives, a request has no permit and its time stands still. Waiting for a permit counts,
/// because nginx's timeout covers both.
#[derive(Default)]
pub(crate) struct Admission {
    limiter: Option<(ConcurrencyLimiter, Network)>,
    is_timed: bool,
    state: Mutex<AdmissionState>,
    /// Notified of each new deadline.
    restarted: Notify,
}

struct AdmissionState {
    permit: Option<Permit>,
    deadline: Option<Instant>,
    /// The time that is left while the clock stands still.
    left: Duration,
}

impl Default for AdmissionState {
    fn default() -> Self {
        Self { permit: None, deadline: None, left: REQUEST_TIMEOUT }
    }
}

impl Admission {
    fn new(limits: Limits, request: &Request<'_>) -> Self {
        let limiter = match limits {
            Limits::ConcurrencyAndTime => request.rocket().state::<ConcurrencyLimiter>(),
            Limits::PageConcurrencyAndTime => request.rocket().state::<PageLimiter>().map(|pages| &pages.0),
            Limits::Time | Limits::None => None,
        };
        let ClientNetwork(network) = ClientNetwork::of(request);
        let limiter = limiter.map(|limiter| (limiter.clone(), network));
        Self { limiter, is_timed: limits != Limits::None, ..Self::default() }
    }

    /// Starts the clock and waits for a permit.
    async fn enter(&self) -> Result<(), Error> {
        if self.is_timed {
            let mut state = self.state();
            state.deadline = Some(Instant::now() + state.left);
            drop(state);
            self.restarted.notify_waiters();
        }
        if let Some((limiter, network)) = &self.limiter {
            let permit = limiter.acquire(*network, PERMIT_TIMEOUT).await;
            let permit = permit.ok_or_else(|| Error::busy("Too many requests are being served; try again."))?;
            self.state().permit = Some(permit);
        }
        Ok(())
    }

    /// Releases the permit and stops the clock.
    fn leave(&self) {
        let permit = {
            let mut state = self.state();
            if let Some(deadline) = state.deadline.take() {
                state.left = deadline.saturating_duration_since(Instant::now());
            }
            state.permit.take()
        };
        // Outside the lock: the permit may go to a request that is waiting for it.
        drop(permit);
    }

    /// Carries out `work` outside of the limits. The request then waits for a new permit.
    pub(crate) async fn suspend_for<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        self.leave();
        let done = work.await;
        self.enter().await?;
        Ok(done)
    }

    /// Waits until the deadline has passed.
    async fn expired(&self) {
        loop {
            let restarted = self.restarted.notified();
            let deadline = self.state().deadline;
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                // The clock may have stopped meanwhile.
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => restarted.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use rocket::http::{Header, Status};
    use rocket::local::asynchronous::Client;
    use rocket::{get, post, routes};

    use super::*;

    #[get("/thing")]
    fn get_thing() -> &'static str {
        "thing"
    }

    #[post("/thing")]
    fn post_thing() -> String {
        request_context::current().map(|id| id.to_string()).unwrap_or_default()
    }

    async fn client() -> Client {
        let rocket = crate::rocket(IpAddr::from([127, 0, 0, 1]), 0);
        Client::untracked(rocket.mount("/", with_limits(routes![get_thing, post_thing]))).await.unwrap()
    }

    #[rocket::async_test]
    async fn a_route_runs_in_the_context_of_its_request() {
        let client = client().await;
        let response = client.post("/thing").header(Header::new("X-Request-Id", "r-1")).dispatch().await;
        assert_eq!(response.headers().get_one("X-Request-Id"), Some("r-1"));
        assert_eq!(response.into_string().await.as_deref(), Some("r-1"));
    }

    #[rocket::async_test]
    async fn a_request_without_a_permit_in_time_is_refused() {
        let client = client().await;
        let limiter = client.rocket().state::<ConcurrencyLimiter>().unwrap();
        let mut all_but_one = Vec::new();
        let network = IpAddr::from([203, 0, 113, 1]).into();
        for _ in 1..MAX_CONCURRENT_REQUESTS {
            all_but_one.push(limiter.acquire(network, Duration::ZERO).await.unwrap());
        }
        assert_eq!(client.get("/thing").dispatch().await.status(), Status::Ok);
        let last = limiter.acquire(network, Duration::ZERO).await.unwrap();
        let refused = client.get("/thing").dispatch().await;
        assert_eq!(
            (refused.status(), refused.headers().get_one("Retry-After")),
            (Status::ServiceUnavailable, Some("2"))
        );
        assert!(refused.into_string().await.unwrap().contains("urn:souk:problem:busy"));
        drop((all_but_one, last));
        assert_eq!(client.get("/thing").dispatch().await.status(), Status::Ok);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_request_goes_on_after_its_body() {
        let admission = Admission { is_timed: true, ..Admission::default() };
        let begun = Instant::now();
        admission.enter().await.unwrap();
        let work = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            admission.suspend_for(tokio::time::sleep(Duration::from_mins(1))).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = work => unreachable!(),
            () = admission.expired() => {}
        }
        assert_eq!(begun.elapsed().as_secs(), 65, "five seconds, and the minute in which the body arrived");
    }

    #[rocket::async_test]
    async fn an_instance_that_shuts_down_refuses_idempotent_requests() {
        let client = client().await;
        assert_eq!(client.get("/thing").dispatch().await.headers().get_one("Connection"), None);
        client.rocket().state::<ShutdownFlag>().unwrap().set();
        let get = client.get("/thing").dispatch().await;
        assert_eq!((get.status(), get.headers().get_one("Connection")), (Status::BadGateway, Some("close")));
        assert!(get.into_string().await.unwrap().contains("urn:souk:problem:stopping"));
        let post = client.post("/thing").dispatch().await;
        assert_eq!((post.status(), post.headers().get_one("Connection")), (Status::Ok, Some("close")));
    }
}
