//! A copy of all personal data, as a file that the browser saves. The orders are read page by page
//! while the browser saves the file, so an account may have any number of them.

use std::io::{self, Cursor};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use rocket::http::{ContentType, Header};
use rocket::response::stream::ReaderStream;
use rocket::response::{self, Responder, Response};
use rocket::{Request, get};
use serde_json::value::RawValue;
use souk_bus::Bus;
use souk_types::Error;
use tokio::io::{AsyncRead, ReadBuf};

use crate::api::{Api, List, Token};
use crate::page::PageError;
use crate::visit::Visit;

/// The end of an export without orders. The orders are inserted before it.
const TAIL: &str = "]}}";

/// An export, part by part.
pub(super) struct Download(BoxStream<'static, Piece>);

/// A part of the response. `None` breaks the response off, so that the browser says that the
/// download has failed.
struct Piece(Option<Cursor<String>>);

impl Piece {
    const fn new(text: String) -> Self {
        Self(Some(Cursor::new(text)))
    }
}

impl AsyncRead for Piece {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(text) => Pin::new(text).poll_read(context, buffer),
            None => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl<'r> Responder<'r, 'r> for Download {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let name = Header::new("Content-Disposition", "attachment; filename=\"personal-data.json\"");
        let body = ReaderStream::from(self.0).respond_to(request)?;
        Response::build_from(body).header(ContentType::JSON).header(name).ok()
    }
}

#[get("/account/export")]
pub(super) async fn export(visit: Visit<'_>) -> Result<Download, PageError> {
    let token = visit.require_customer().await?;
    // The first page of orders is read before the response begins, so that a service that is down
    // gives an error page.
    let (text, first) = tokio::join!(visit.api.export_without_orders(&token), visit.api.orders_as_json(&token, None));
    let (text, first) = (text?, first?);
    let head = text.strip_suffix(TAIL).ok_or_else(|| Error::internal("an export does not end with its orders"))?;
    let pages = Pages { bus: visit.app.bus.clone(), client: visit.client, token };
    Ok(Download(parts(head.to_owned(), pages, first)))
}

/// Reads the orders of the customer.
struct Pages {
    bus: Bus,
    client: IpAddr,
    token: Token,
}

enum Part {
    Head {
        head: String,
        first: Orders,
    },
    Orders {
        orders: Orders,
        is_first: bool,
    },
    /// The page after this cursor.
    Next {
        after: String,
        is_first: bool,
    },
    Tail,
    End,
}

type Orders = List<Box<RawValue>>;

/// Returns the parts of the JSON. An export that fails breaks off, and its JSON has no end, so that
/// nobody takes it for a complete one.
fn parts(head: String, pages: Pages, first: Orders) -> BoxStream<'static, Piece> {
    let begin = (Part::Head { head, first }, pages);
    let parts = stream::unfold(begin, |(part, pages)| async move {
        let (piece, next) = match part {
            Part::Head { head, first } => (Piece::new(head), Part::Orders { orders: first, is_first: true }),
            Part::Orders { orders, is_first } => write(&orders, is_first),
            Part::Next { after, is_first } => {
                let api = Api::new(&pages.bus, pages.client);
                match api.orders_as_json(&pages.token, Some(&after)).await {
                    Ok(orders) => write(&orders, is_first),
                    Err(problem) => {
                        tracing::warn!(%problem, "an export ended early");
                        (Piece(None), Part::End)
                    }
                }
            }
            Part::Tail => (Piece::new(TAIL.to_owned()), Part::End),
            Part::End => return None,
        };
        Some((piece, (next, pages)))
    });
    parts.boxed()
}

/// Writes a page of orders, and returns what comes after it.
fn write(orders: &Orders, is_first: bool) -> (Piece, Part) {
    let comma = if is_first || orders.items.is_empty() { "" } else { "," };
    let items: Vec<&str> = orders.items.iter().map(|order| order.get()).collect();
    let text = format!("{comma}{}", items.join(","));
    let next = match orders.next.clone() {
        Some(after) => Part::Next { after, is_first: is_first && items.is_empty() },
        None => Part::Tail,
    };
    (Piece::new(text), next)
}
