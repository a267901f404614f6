//! One connection of a client: its requests, one after the other.

use std::fmt::Write;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use souk_types::RequestId;
use tokio::net::TcpStream;

use super::Server;
use super::client_stream::ClientStream;
use super::dispatch::{ResponseBody, dispatch};
use super::head::{self, MAX_HEAD};
use super::open_connections::Slot;
use crate::client_address::IsHttps;

/// Time for a head to arrive, and for which a connection may wait for its next request. Longer than
/// the 1 s after which nginx closes its idle connections.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest name of a method in the log; the longest registered one is `UPDATEREDIRECTREF`.
const MAX_METHOD: usize = 17;

/// Serves the connection until one side closes it, or until it is replaced or the server stops.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, server: Arc<Server>, slot: Arc<Slot>) {
    tokio::select! {
        biased;
        () = serve_requests(stream, peer, &server, &slot) => {}
        () = slot.replaced() => {}
        () = server.aborting.cancelled() => {}
    }
}

async fn serve_requests(stream: TcpStream, peer: SocketAddr, server: &Arc<Server>, slot: &Arc<Slot>) {
    let service = service_fn(|request| {
        let (server, slot) = (Arc::clone(server), Arc::clone(slot));
        Box::pin(async move { respond(request, peer, &server, &slot).await })
    });
    let stream = TokioIo::new(ClientStream::new(stream, Arc::clone(slot)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A client that has sent its request may close its side and wait for the answer.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .serve_connection(stream, service);
    let mut stopping = std::pin::pin!(server.stopping.cancelled());
    let mut is_stopping = false;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = poll_fn(|context| connection.poll_without_shutdown(context)) => break outcome,
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    let error = outcome.err();
    if let Some(error) = error.as_ref().filter(|error| error.is_user()) {
        tracing::error!(cause = %error, "a response cannot be sent");
    }
    if let Some(refusal) = error.and_then(|error| head::explain(&error, &parts.read_buf)) {
        let read = &parts.read_buf;
        let id: RequestId = head::header(read, "X-Request-Id").and_then(|id| id.parse().ok()).unwrap_or_default();
        let problem = refusal.log_and_describe(&id, "");
        let mut answer = format!("HTTP/1.1 {}\r\n", refusal.status());
        for (name, value) in server.refusal_headers(&id, head::header(read, "Origin")) {
            let _ = write!(answer, "{name}: {value}\r\n");
        }
        let _ = write!(answer, "Content-Length: {}\r\nConnection: close\r\n\r\n", problem.len());
        if !head::is_head(read) {
            answer.push_str(&problem);
        }
        if stream.write(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    // A client may keep an idle connection open for long; a server that stops does not wait for it.
    tokio::select! {
        () = stream.close() => {}
        () = stopping => {}
    }
}

async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    server: &Server,
    slot: &Arc<Slot>,
) -> io::Result<Response<ResponseBody>> {
    let in_flight = slot.begin_request();
    let (parts, body) = request.into_parts();
    // A chunked request may have a Content-Length too, which hyper ignores and hides. Only closing
    // the connection is safe then (RFC 9112, section 6.1).
    let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let mut response = match head::read(&parts) {
        Ok(head) => {
            let forwarded = parts.headers.get_all("X-Forwarded-For").iter().map(HeaderValue::as_bytes);
            let schemes = parts.headers.get_all("X-Forwarded-Proto").iter().map(HeaderValue::as_bytes);
            let is_https = IsHttps(server.proxies.is_https(peer, schemes));
            let client = (server.proxies.client(peer, forwarded), is_https);
            dispatch(Arc::clone(&server.rocket), &server.tasks, (head, parts, body), client, in_flight).await?
        }
        Err(refusal) => {
            let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
            let id: RequestId = header("X-Request-Id").and_then(|id| id.parse().ok()).unwrap_or_default();
            // The name of an unknown method is the client's own text.
            let method = Some(parts.method.as_str()).filter(|name| name.len() <= MAX_METHOD);
            let problem = refusal.log_and_describe(&id, method.unwrap_or_default());
            let headers = server.refusal_headers(&id, header("Origin"));
            ResponseBody::problem(refusal.status(), headers, problem, in_flight)
        }
    };
    if is_chunked {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
