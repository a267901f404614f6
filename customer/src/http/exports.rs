//! The export of personal data.

use rocket::futures::stream::{self, BoxStream, StreamExt};
use rocket::http::ContentType;
use rocket::response::stream::ByteStream;
use rocket::{Route, State, get, routes};
use serde::{Deserialize, Serialize};
use souk_contract::products::ProductSnapshot;
use souk_contract::role::Role;
use souk_contract::shopping::CartLine;
use souk_http::Query;
use souk_types::input::{Fields, Input};
use souk_types::{Email, Error, Network, Result, Timestamp};

use super::accounts::ProfileView;
use super::auth::CustomerAuth;
use super::passkeys::PasskeyView;
use super::sessions::SessionView;
use crate::app::App;
use crate::application::exports::{self, Export, OrderPages};
use crate::domain::mail::Mail;

pub(super) fn routes() -> Vec<Route> {
    routes![export_customer]
}

#[derive(Serialize)]
struct ExportView {
    exported_at: Timestamp,
    customer: CustomerView,
    products: ProductsView,
    /// The last member, because the orders are appended page by page.
    shopping: ShoppingView,
}

#[derive(Serialize)]
struct CustomerView {
    profile: ProfileView,
    sessions: Vec<SessionView>,
    passkeys: Vec<PasskeyView>,
    /// The networks from which the customer has signed in.
    networks: Vec<Network>,
    mails: Vec<MailView>,
}

#[derive(Serialize)]
struct MailView {
    kind: &'static str,
    /// The recipient, when the mail was made for one address.
    to: Option<Email>,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct ShoppingView {
    cart: Vec<CartLine>,
    wishlist: Vec<ProductSnapshot>,
    orders: [(); 0],
}

/// `products` stores no personal data.
#[derive(Serialize)]
struct ProductsView {}

/// The end of an [`ExportView`] without orders. The pages of orders are inserted before it.
const TAIL: &str = "]}}";

impl ExportView {
    /// Returns the text up to the first order, and the pages of orders that follow.
    fn begin(export: Export, token: Role) -> Result<(String, OrderPages)> {
        let Export { profile, sessions, mails, cart, wishlist, orders } = export;
        let networks = profile.networks().to_vec();
        let sessions = sessions.iter().map(SessionView::from).collect();
        let passkeys = profile.passkeys.list().iter().map(PasskeyView::from).collect();
        let mail =
            |mail: &Mail| MailView { kind: mail.kind(), to: mail.recipient().cloned(), expires_at: mail.expires_at() };
        let mails = mails.iter().map(mail).collect();
        let view = Self {
            exported_at: Timestamp::now(),
            customer: CustomerView { profile: ProfileView::new(profile, token), sessions, passkeys, networks, mails },
            products: ProductsView {},
            shopping: ShoppingView { cart, wishlist, orders: [] },
        };
        let text = serde_json::to_string(&view).map_err(Error::internal)?;
        let head = text.strip_suffix(TAIL).ok_or_else(|| Error::internal("an export does not end with its orders"))?;
        Ok((head.to_owned(), orders))
    }
}

enum Part {
    First(String, OrderPages),
    Orders { pages: OrderPages, is_first: bool },
    End,
}

/// Returns the JSON of an export, page by page. The JSON of an export that fails has no end, so
/// that no client takes it for a complete one.
fn stream(head: String, pages: OrderPages) -> BoxStream<'static, String> {
    let parts = stream::unfold(Part::First(head, pages), |part| async move {
        let (mut pages, is_first) = match part {
            Part::First(head, pages) => return Some((head, Part::Orders { pages, is_first: true })),
            Part::Orders { pages, is_first } => (pages, is_first),
            Part::End => return None,
        };
        match pages.next().await {
            Ok(Some(orders)) => {
                let comma = if is_first || orders.is_empty() { "" } else { "," };
                let orders: Vec<&str> = orders.iter().map(|order| order.get()).collect();
                let text = format!("{comma}{}", orders.join(","));
                Some((text, Part::Orders { pages, is_first: is_first && orders.is_empty() }))
            }
            Ok(None) => Some((TAIL.to_owned(), Part::End)),
            Err(error) => {
                tracing::warn!(%error, "an export ended early");
                None
            }
        }
    });
    parts.boxed()
}

/// The orders in an export.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Orders {
    #[default]
    All,
    /// The client reads them from their list, page by page.
    None,
}

struct ExportQuery {
    orders: Orders,
}

impl Input for ExportQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { orders: fields.optional("orders").unwrap_or_default() })
    }
}

#[get("/profile/export")]
async fn export_customer(
    app: &State<App>,
    auth: CustomerAuth,
    query: Query<ExportQuery>,
) -> souk_http::Result<(ContentType, ByteStream<BoxStream<'static, String>>)> {
    let (head, pages) = ExportView::begin(exports::begin(app, auth.id()).await?, auth.identity().role)?;
    let text = match query.0.orders {
        Orders::All => stream(head, pages),
        Orders::None => stream::once(std::future::ready(head + TAIL)).boxed(),
    };
    Ok((ContentType::JSON, ByteStream(text)))
}
