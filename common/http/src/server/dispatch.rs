//! Hands a request to Rocket and its response to hyper.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use rocket::http::{Header, Method};
use rocket::local::asynchronous::{Client, LocalResponse};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::head::Head;
use super::open_connections::InFlight;
use crate::body::PendingBody;
use crate::client_address::IsHttps;

/// A body up to this size, in bytes, is sent as one piece; a larger one is streamed.
const MAX_PIECE: usize = 256 * 1024;
/// Pieces of a streamed body, in bytes.
const PIECE: usize = 16 * 1024;

/// Serves the request in a task of its own, so that a client that disconnects does not interrupt
/// it.
pub(super) async fn dispatch(
    rocket: Arc<Client>,
    tasks: &TaskTracker,
    (head, parts, body): (Head, Parts, Incoming),
    (client, is_https): (SocketAddr, IsHttps),
    in_flight: InFlight,
) -> io::Result<Response<ResponseBody>> {
    let (sender, receiver) = oneshot::channel();
    tasks.spawn(async move {
        let is_head = head.method == Method::Head;
        let mut request = rocket.req(head.method, head.target).remote(client);
        if let Some(host) = head.host {
            request.inner_mut().set_host(host);
        }
        for (name, value) in &parts.headers {
            // Rocket's headers are UTF-8; others are ignored.
            if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
                request.add_header(Header::new(name.as_str().to_owned(), value.to_owned()));
            }
        }
        request.inner().local_cache(|| is_https);
        PendingBody::put(request.inner(), body);
        send(request.dispatch().await, is_head, in_flight, sender).await;
    });
    // The task ends without a response only when it panics.
    receiver.await.map_err(io::Error::other)?
}

async fn send(
    mut rocket: LocalResponse<'_>,
    is_head: bool,
    in_flight: InFlight,
    sender: oneshot::Sender<io::Result<Response<ResponseBody>>>,
) {
    let mut response = Response::builder().status(rocket.status().code);
    for header in rocket.headers().iter() {
        response = response.header(header.name.as_str(), header.value.as_bytes());
    }
    let size = rocket.body().preset_size().filter(|_| rocket.body().is_some());
    if let Some(size) = size.filter(|size| is_head || *size > MAX_PIECE) {
        response = response.header(CONTENT_LENGTH, size);
    }
    let build = |content| response.body(ResponseBody { content, _in_flight: in_flight }).map_err(io::Error::other);
    // A client that has disconnected drops the receiver.
    if is_head || rocket.body().is_none() || size.is_some_and(|size| size <= MAX_PIECE) {
        let is_empty = is_head || rocket.body().is_none();
        let content = if is_empty { Some(Vec::new()) } else { rocket.into_bytes().await };
        let content = content.ok_or_else(|| io::Error::other("the body of the response cannot be read"));
        let _ = sender.send(content.and_then(|content| build(Content::Whole(content.into()))));
        return;
    }
    let (pieces, content) = mpsc::channel(1);
    if sender.send(build(Content::Stream(content))).is_err() {
        return;
    }
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        let piece = match rocket.read_buf(&mut piece).await {
            Ok(0) => return,
            Ok(_) => Ok(piece.freeze()),
            Err(error) => Err(error),
        };
        let is_broken = piece.is_err();
        if pieces.send(piece).await.is_err() || is_broken {
            return;
        }
    }
}

/// The body of a response. The connection is busy until it is sent.
pub(super) struct ResponseBody {
    content: Content,
    _in_flight: InFlight,
}

enum Content {
    Whole(Bytes),
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl ResponseBody {
    /// Returns a response of the server itself.
    pub(super) fn problem(
        status: StatusCode,
        headers: Vec<(&'static str, String)>,
        problem: String,
        in_flight: InFlight,
    ) -> Response<Self> {
        let mut response = Response::new(Self { content: Content::Whole(problem.into()), _in_flight: in_flight });
        *response.status_mut() = status;
        for (name, value) in headers {
            if let Ok(value) = value.try_into() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.content {
            Content::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()).map(Ok),
            Content::Stream(pieces) => ready!(pieces.poll_recv(context)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
