//! The list of all orders: filters, views and pages.

use std::time::Duration;

use askama::Template;
use rocket::http::Status;
use rocket::{FromForm, get};
use souk_contract::role::Permission;
use souk_contract::shopping::MAX_VIEW_NAME;
use souk_types::{Country, Error, sort_key};
use url::form_urlencoded;

use super::bulk::{self, Selected};
use super::views::{self, View};
use super::{Admin, Nav, Row, Section, payment_text, start_of_day, status_key};
use crate::api::admin_orders::{OrderFilters, OrderSummary};
use crate::api::order::OrderStatus;
use crate::api::{List, Problem};
use crate::fields::address::country_name;
use crate::fields::{Field, FormState, Kind, SelectOption};
use crate::idempotency::new_key;
use crate::links::encode;
use crate::locale::{Key, Language};
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

pub(super) const LIST: &str = "/admin/orders";
/// Orders on one page.
const PAGE_SIZE: usize = 50;

pub(super) const DAY: Duration = Duration::from_hours(24);

/// The filters and the order, in the order of the form.
pub(super) const FILTERS: [&str; 7] = ["q", "status", "payment", "country", "from", "to", "sort"];

/// The states, with the names that the API has for them.
const STATUSES: [(&str, OrderStatus); 10] = [
    ("pending", OrderStatus::Pending),
    ("reserved", OrderStatus::Reserved),
    ("paid", OrderStatus::Paid),
    ("confirmed", OrderStatus::Confirmed),
    ("partially-shipped", OrderStatus::PartiallyShipped),
    ("shipped", OrderStatus::Shipped),
    ("delivered", OrderStatus::Delivered),
    ("rejected", OrderStatus::Rejected),
    ("cancelled", OrderStatus::Cancelled),
    ("refunded", OrderStatus::Refunded),
];

const PAYMENTS: [&str; 15] = [
    "attention",
    "none",
    "open",
    "processing",
    "authorized",
    "underpaid",
    "captured",
    "overpaid",
    "declined",
    "cancelled",
    "partially-refunded",
    "refund-pending",
    "refund-failed",
    "disputed",
    "refunded",
];

/// The query of the list.
#[derive(FromForm)]
pub(super) struct OrderListQuery {
    #[field(default = "")]
    q: String,
    #[field(default = "")]
    status: String,
    #[field(default = "")]
    payment: String,
    #[field(default = "")]
    country: String,
    #[field(default = "")]
    from: String,
    #[field(default = "")]
    to: String,
    #[field(default = "")]
    sort: String,
    after: Option<String>,
    /// The number of orders that a form has changed before.
    changed: Option<u32>,
    /// The names of those that it has not changed.
    #[field(default = "")]
    unchanged: String,
    /// What was done with a view.
    view: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/orders/list.html")]
struct ListPage {
    page: Frame,
    nav: Nav,
    views: Vec<View>,
    /// The name of a view that is to be saved.
    view_name: Field,
    fields: Vec<Field>,
    /// `None` while `shopping` does not answer, or when a filter is refused.
    rows: Option<Vec<Row>>,
    /// Orders that are selected and not in the list.
    unlisted: Vec<Selected>,
    is_down: bool,
    /// Whether a filter is set.
    is_filtered: bool,
    /// The filters that are set, in words.
    set_filters: String,
    has_refused_filter: bool,
    first: Option<String>,
    next: Option<String>,
    /// The cursor of this page; empty for the first one.
    after: String,
    /// What was done with several orders: `(class, text)`.
    notice: Option<(&'static str, String)>,
    bulk_url: String,
    /// The key of the form that changes several orders.
    bulk_key: String,
    /// The query of this page, without what was done.
    here: String,
}

/// What the list shows of a form that was sent before.
pub(super) struct Shown {
    pub(super) status: Status,
    /// What was done: `(class, text)`.
    pub(super) notice: Option<(&'static str, String)>,
    /// The key of the form that changes several orders.
    pub(super) bulk_key: String,
    /// Orders that a bulk change has not reached. They stay selected.
    pub(super) unreached: Vec<Selected>,
    /// The form that saves a view.
    pub(super) view: FormState,
}

impl Shown {
    /// Returns the forms before one is sent. Errors: no random numbers.
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            status: Status::Ok,
            notice: None,
            bulk_key: new_key()?,
            unreached: Vec::new(),
            view: FormState::default(),
        })
    }
}

#[get("/admin/orders?<query..>")]
pub(super) async fn list(visit: Visit<'_>, query: OrderListQuery) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let view = match query.view.as_deref() {
        Some("saved") => Some(("success", visit.text("orders-view-saved").to_string())),
        Some("removed") => Some(("success", visit.text("orders-view-removed").to_string())),
        _ => None,
    };
    let notice = bulk::report(&visit, query.changed, &query.unchanged).or(view);
    page(&visit, &admin, query.state(), query.after.as_deref(), Shown { notice, ..Shown::new()? }).await
}

/// Renders the list. `after` is the cursor of a further page.
pub(super) async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    mut state: FormState,
    after: Option<&str>,
    shown: Shown,
) -> PageResult {
    let filters = filters(visit, &mut state);
    let (frame, list, saved) = tokio::join!(
        admin.frame(visit, Section::Orders, visit.text("orders-admin-title").to_string()),
        orders(visit, admin, &mut state, &filters, after),
        visit.api.saved_views(&admin.token)
    );
    let (mut page, nav) = frame?;
    let (list, status) = list?;
    let saved = saved.unwrap_or_else(|problem| {
        tracing::warn!(%problem, "the saved views cannot be read");
        Vec::new()
    });
    let here = address(&state);
    // A form that was sent has a URL of its own, which no other language has.
    (page.path, page.query) = (LIST.to_owned(), mark(&page_of(&here, after)));
    let next = list.as_ref().and_then(|list| list.next.as_ref());
    let next = next.map(|next| url_with(visit, &here, &cursor(next)));
    let mut unlisted = shown.unreached;
    let row = |order: &OrderSummary| {
        let selected = unlisted.iter().position(|selected| selected.id == order.id);
        let is_selected = selected.map(|position| unlisted.swap_remove(position)).is_some();
        Row { is_selected, ..Row::new(visit.language, order) }
    };
    let rows: Option<Vec<Row>> = list.map(|list| list.items.iter().map(row).collect());
    let fields = fields(visit.language, &state);
    let name = Field::new(&shown.view, "name", visit.text("orders-view-name")).up_to(MAX_VIEW_NAME);
    let template = ListPage {
        page,
        nav,
        views: views::all(visit, saved, &here),
        view_name: name,
        set_filters: set_filters(&fields),
        has_refused_filter: !state.errors().is_empty(),
        fields,
        rows,
        unlisted,
        is_down: status == Status::ServiceUnavailable,
        is_filtered: !here.is_empty(),
        first: after.is_some().then(|| url(visit, &here)),
        next,
        after: after.unwrap_or_default().to_owned(),
        notice: shown.notice,
        bulk_url: visit.url("/admin/orders/bulk"),
        bulk_key: shown.bulk_key,
        here,
    };
    let status = if shown.status == Status::Ok { status } else { shown.status };
    Ok(Page::personal(&template)?.status(status).into())
}

/// Returns the URL of the list with this query.
pub(super) fn url(visit: &Visit<'_>, query: &str) -> String {
    visit.url(&format!("{LIST}{}", mark(query)))
}

/// Returns the URL of the list with a query and a further part of it.
pub(super) fn url_with(visit: &Visit<'_>, query: &str, further: &str) -> String {
    url(visit, &join(query, further))
}

/// Returns the query of a page of the list. `after` is its cursor; `None` for the first page.
pub(super) fn page_of(query: &str, after: Option<&str>) -> String {
    join(query, &after.map(cursor).unwrap_or_default())
}

fn join(query: &str, further: &str) -> String {
    let separator = if query.is_empty() || further.is_empty() { "" } else { "&" };
    format!("{query}{separator}{further}")
}

/// Returns a query with its question mark.
pub(super) fn mark(query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("?{query}") }
}

fn cursor(after: &str) -> String {
    format!("after={}", encode(after))
}

type Listed = (Option<List<OrderSummary>>, Status);

async fn orders(
    visit: &Visit<'_>,
    admin: &Admin,
    state: &mut FormState,
    filters: &OrderFilters,
    after: Option<&str>,
) -> Result<Listed, PageError> {
    if !state.errors().is_empty() {
        return Ok((None, Status::UnprocessableEntity));
    }
    match visit.api.all_orders(&admin.token, filters, PAGE_SIZE, after).await {
        Ok(list) => Ok((Some(list), Status::Ok)),
        Err(Problem::Unavailable) => Ok((None, Status::ServiceUnavailable)),
        Err(Problem::Refused(refusal)) if refusal.status == 422 => {
            for refused in &refusal.fields {
                if FILTERS.contains(&refused.field.as_str()) {
                    state.refuse(&refused.field, visit.text(message_key(&refused.field)).to_string());
                }
            }
            // A cursor of another list.
            if state.errors().is_empty() {
                return Err(PageError::not_found());
            }
            Ok((None, Status::UnprocessableEntity))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Returns the message about a filter that the API refuses.
fn message_key(filter: &str) -> Key {
    match filter {
        // A text that is no day is never sent.
        "to" => Key("orders-filter-period"),
        _ => Key("orders-filter-invalid"),
    }
}

impl OrderListQuery {
    fn state(&self) -> FormState {
        let values = [&self.q, &self.status, &self.payment, &self.country, &self.from, &self.to, &self.sort];
        let mut state = FormState::default();
        for (name, value) in FILTERS.into_iter().zip(values) {
            state.set(name, value.trim());
        }
        state
    }
}

/// Returns the filters of a query that a form has kept.
pub(super) fn state_of(query: &str) -> FormState {
    let mut state = FormState::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if FILTERS.contains(&&*name) {
            state.set(&name, value.trim());
        }
    }
    state
}

/// Returns the filters of the API. A text that is no day is refused.
pub(super) fn filters(visit: &Visit<'_>, state: &mut FormState) -> OrderFilters {
    let [from, to] = ["from", "to"].map(|name| {
        let day = state.optional(name)?;
        let start = start_of_day(day);
        if start.is_none() {
            state.refuse(name, visit.text("orders-filter-day").to_string());
        }
        start
    });
    let value = |name: &str| state.value(name).to_owned();
    OrderFilters {
        status: value("status"),
        payment: value("payment"),
        country: value("country"),
        words: value("q"),
        from,
        // The last day belongs to the time.
        to: to.map(|day| day.after(DAY)),
        sort: value("sort"),
    }
}

/// Returns the query of the filters that are set.
pub(super) fn address(state: &FormState) -> String {
    let parts = FILTERS.iter().filter_map(|name| Some(format!("{name}={}", encode(state.optional(name)?))));
    parts.collect::<Vec<_>>().join("&")
}

/// Writes the filters that are set: what stands for them while their fields are folded.
fn set_filters(fields: &[Field]) -> String {
    let text = |field: &Field| {
        let option = field.options.iter().find(|option| option.is_selected && !option.value.is_empty());
        match field.kind {
            Kind::Select => option.map(|option| option.label.clone()),
            Kind::Date => Some(format!("{} {}", field.label, field.value)).filter(|_| !field.value.is_empty()),
            _ => Some(field.value.clone()).filter(|value| !value.is_empty()),
        }
    };
    fields.iter().filter_map(text).collect::<Vec<_>>().join(" · ")
}

fn fields(language: Language, state: &FormState) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, language.text(label));
    let choice = |name: &str, label: Key, default: Key, options: Vec<(String, String)>| {
        let any = (String::new(), language.text(default).to_string());
        let option =
            |(value, label): (String, String)| SelectOption { is_selected: value == state.value(name), value, label };
        let options = std::iter::once(any).chain(options).map(option).collect();
        Field { kind: Kind::Select, options, ..field(name, label) }
    };
    let statuses = STATUSES.map(|(name, status)| (name.to_owned(), language.text(status_key(status)).to_string()));
    let payments = PAYMENTS.map(|name| (name.to_owned(), payment_text(language, name)));
    let mut countries: Vec<(String, String)> =
        Country::all().map(|country| (country.as_str().to_owned(), country_name(language, &country))).collect();
    countries.sort_by_cached_key(|(_, name)| sort_key(name));
    let any = Key("orders-filter-any");
    let oldest = ("oldest".to_owned(), language.text("orders-sort-oldest").to_string());
    vec![
        Field { max: 100, ..field("q", Key("orders-filter-words")) },
        choice("status", Key("orders-column-status"), any, statuses.to_vec()),
        choice("payment", Key("orders-column-payment"), any, payments.to_vec()),
        choice("country", Key("orders-column-country"), any, countries),
        Field { kind: Kind::Date, ..field("from", Key("orders-filter-from")) },
        Field { kind: Kind::Date, ..field("to", Key("orders-filter-to")) },
        choice("sort", Key("orders-sort"), Key("orders-sort-newest"), vec![oldest]),
    ]
}

impl ListPage {
    /// Returns the view that the list shows, if the admin has saved it, and its id.
    fn saved_view(&self) -> Option<(&View, &String)> {
        let view = self.views.iter().find(|view| view.is_current)?;
        Some((view, view.saved.as_ref()?))
    }

    /// Whether the role may change orders, so that it can select some.
    fn may_change(&self) -> bool {
        self.nav.role.may(Permission::FulfilOrders)
    }

    /// Returns the orders of the page that are to be sent.
    fn to_send(&self) -> Vec<&Row> {
        self.rows.iter().flatten().filter(|row| row.is_to_send).collect()
    }

    /// Whether there is an order to select.
    fn has_orders(&self) -> bool {
        !self.unlisted.is_empty() || self.rows.as_ref().is_some_and(|rows| !rows.is_empty())
    }

    /// Whether the filters may be saved: no view has them.
    fn is_new_view(&self) -> bool {
        self.is_filtered && !self.views.iter().any(|view| view.is_current)
    }
}
