//! The body of a request. A route reads it after its guards have authenticated the client, under
//! limits of size, time and number, and without the request's permit: a client that sends its body
//! slowly delays itself only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use rocket::data::{Data, FromData};
use rocket::request::Request;
use souk_types::{Error, Result};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::data_outcome;
use crate::limits::Admission;

/// Time for a body of any size, in addition to its bytes at [`MIN_RATE`].
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Rate at which a body must arrive, in bytes per second: 128 kbit/s.
const MIN_RATE: u64 = 16 * 1024;

/// Bodies up to this size are small: JSON and webhook events.
const SMALL: u64 = 256 * 1024;
/// Small bodies that may arrive at once, of at most 256 KiB each. A further one replaces the one
/// that arrives for the longest time: a client that sends no more of its bodies stops no other one.
const MAX_SMALL_BODIES: usize = 256;
/// Larger bodies that may arrive at once: imports of up to 64 MiB, which admins send.
const MAX_LARGE_BODIES: usize = 2;

/// The number of bodies that arrive at once.
pub(crate) struct BodyLimits {
    small: SmallBodies,
    large: Semaphore,
}

impl BodyLimits {
    /// Leaves at least half of the connections to requests without a body.
    pub(crate) fn new(connections: usize) -> Self {
        let small = MAX_SMALL_BODIES.min(connections / 2);
        Self { small: SmallBodies::new(small), large: Semaphore::new(MAX_LARGE_BODIES) }
    }

    /// Carries out `receive` within the limit of large bodies, or of small ones.
    async fn apply(&self, is_small: bool, receive: impl Future<Output = Result<Vec<u8>>>) -> Result<Vec<u8>> {
        let busy = || Error::busy("The server is receiving too many bodies at once; try again.");
        if is_small {
            let mut place = self.small.enter();
            return tokio::select! {
                biased;
                body = receive => body,
                () = place.replaced() => Err(busy()),
            };
        }
        let _place = self.large.try_acquire().map_err(|_| busy())?;
        receive.await
    }
}

/// The small bodies that arrive.
struct SmallBodies {
    max: usize,
    arriving: Mutex<Arriving>,
}

#[derive(Default)]
struct Arriving {
    /// The body that arrives for the longest time is first. Dropping a sender ends its body.
    bodies: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
}

/// The place of a body that arrives. Dropping it releases the place.
struct Place<'l> {
    bodies: &'l SmallBodies,
    key: u64,
    replaced: oneshot::Receiver<()>,
}

impl SmallBodies {
    fn new(max: usize) -> Self {
        Self { max, arriving: Mutex::default() }
    }

    fn enter(&self) -> Place<'_> {
        let (sender, replaced) = oneshot::channel();
        let mut arriving = self.arriving();
        if arriving.bodies.len() >= self.max {
            arriving.bodies.pop_first();
        }
        let key = arriving.next;
        arriving.next += 1;
        arriving.bodies.insert(key, sender);
        Place { bodies: self, key, replaced }
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits until another body has taken the place.
    async fn replaced(&mut self) {
        let _ = (&mut self.replaced).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.bodies.arriving().bodies.remove(&self.key);
    }
}

/// The body of a request until a route takes it, in the request's local cache.
#[derive(Default)]
pub(crate) struct PendingBody(Mutex<Option<Source>>);

enum Source {
    Client(Incoming),
    /// Bytes that have arrived.
    Memory(Vec<u8>),
}

impl PendingBody {
    /// Stores the body that the client sends.
    pub(crate) fn put(request: &Request<'_>, body: Incoming) {
        Self::store(request, Source::Client(body));
    }

    /// Stores the body of a request that did not come over HTTP.
    pub(crate) fn put_bytes(request: &Request<'_>, body: Vec<u8>) {
        Self::store(request, Source::Memory(body));
    }

    fn store(request: &Request<'_>, source: Source) {
        *request.local_cache(Self::default).0.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }
}

/// Data guard: the body, which [`Body::read`] reads.
pub struct Body<'r> {
    source: Option<Source>,
    limits: Option<&'r BodyLimits>,
    admission: &'r Admission,
}

impl<'r> Body<'r> {
    /// Takes the body of the request. It is empty when it was taken before.
    pub fn of(request: &'r Request<'_>) -> Self {
        let pending = &request.local_cache(PendingBody::default).0;
        Self {
            source: pending.lock().unwrap_or_else(PoisonError::into_inner).take(),
            limits: request.rocket().state(),
            admission: request.local_cache(Admission::default),
        }
    }

    /// Whether the client announced no body, or one of 0 bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.source {
            Some(Source::Client(incoming)) => incoming.is_end_stream(),
            Some(Source::Memory(body)) => body.is_empty(),
            None => true,
        }
    }

    /// Reads the whole body. Fails when it is larger than `limit` bytes, arrives too slowly, or
    /// does not arrive as it was announced.
    pub async fn read(self, limit: u64) -> Result<Vec<u8>> {
        let incoming = match self.source {
            Some(Source::Client(incoming)) if !incoming.is_end_stream() => incoming,
            Some(Source::Memory(body)) if body.len() as u64 > limit => return Err(Error::too_large(limit)),
            Some(Source::Memory(body)) => return Ok(body),
            _ => return Ok(Vec::new()),
        };
        if incoming.size_hint().lower() > limit {
            return Err(Error::too_large(limit));
        }
        let body = receive(incoming, limit);
        match self.limits {
            Some(limits) => self.admission.suspend_for(limits.apply(limit <= SMALL, body)).await?,
            None => self.admission.suspend_for(body).await?,
        }
    }
}

impl Body<'_> {
    /// Reads the whole body as [`Body::read`] does, and keeps it for the route.
    pub(crate) async fn read_ahead(self, request: &Request<'_>, limit: u64) -> Result<()> {
        if !self.is_empty() {
            PendingBody::store(request, Source::Memory(self.read(limit).await?));
        }
        Ok(())
    }
}

async fn receive(mut incoming: Incoming, limit: u64) -> Result<Vec<u8>> {
    let start = Instant::now();
    let mut body = Vec::new();
    loop {
        let frame = timeout_at(deadline(start, body.len() as u64), incoming.frame()).await;
        let frame =
            frame.map_err(|_| Error::too_slow("The body arrives too slowly; send it faster, or less of it."))?;
        let Some(frame) = frame else { return Ok(body) };
        let broken = |error| {
            Error::malformed("The body did not arrive as announced: it ended early, or its chunks are invalid.")
                .caused_by(error)
        };
        // A trailer is not part of the body.
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if body.len() as u64 + data.len() as u64 > limit {
            return Err(Error::too_large(limit));
        }
        body.extend_from_slice(&data);
    }
}

fn deadline(start: Instant, received: u64) -> Instant {
    start + BODY_TIMEOUT + Duration::from_millis(received * 1_000 / MIN_RATE)
}

#[rocket::async_trait]
impl<'r> FromData<'r> for Body<'r> {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        data_outcome(request, Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    #[test]
    fn a_body_has_ten_seconds_and_its_bytes_at_the_least_rate() {
        let start = Instant::now();
        for (received, seconds) in [(0, 10), (16 * 1024, 11), (64 * 1024, 14), (64 * 1024 * 1024, 10 + 4_096)] {
            assert_eq!(deadline(start, received) - start, Duration::from_secs(seconds), "{received}");
        }
    }

    #[test]
    fn half_of_the_connections_are_left_to_requests_without_a_body() {
        for (connections, small) in [(16, 8), (96, 48), (2_048, 256)] {
            assert_eq!(BodyLimits::new(connections).small.max, small);
        }
    }

    #[tokio::test]
    async fn a_further_small_body_replaces_the_one_that_arrives_longest() {
        let bodies = SmallBodies::new(2);
        let (mut oldest, second) = (bodies.enter(), bodies.enter());
        let is_replaced = |place: &mut Place<'_>| place.replaced.try_recv() == Err(TryRecvError::Closed);
        assert!(!is_replaced(&mut oldest));
        let mut third = bodies.enter();
        oldest.replaced().await;
        drop((oldest, second));
        let _fourth = bodies.enter();
        assert!(!is_replaced(&mut third), "the second body has released its place");
        assert_eq!(bodies.arriving().bodies.len(), 2);
    }

    #[tokio::test]
    async fn a_further_large_body_is_refused() {
        let limits = BodyLimits::new(16);
        let _all = limits.large.try_acquire_many(2).unwrap();
        let receive = |is_small| limits.apply(is_small, async { Ok(vec![1]) });
        assert_eq!(receive(false).await.unwrap_err().code(), "busy");
        assert_eq!(receive(true).await.unwrap(), [1]);
    }
}
