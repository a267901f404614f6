//! The views above the list of orders: those of Souk, and those that the admin has saved.

use std::time::Duration;

use rocket::http::Status;
use rocket::post;
use serde_json::json;
use souk_contract::role::Permission;

use super::Admin;
use super::list::{self, DAY, FILTERS, Shown};
use crate::api::Problem;
use crate::api::saved_views::SavedView;
use crate::fields::FormState;
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageResult};
use crate::visit::Visit;

/// The views of Souk: a name, and the query that it stands for.
const VIEWS: [(Key, &str); 7] = [
    (Key("orders-view-all"), ""),
    (Key("orders-view-pack"), "status=confirmed&sort=oldest"),
    (Key("orders-view-partial"), "status=partially-shipped&sort=oldest"),
    (Key("orders-view-attention"), "payment=attention&sort=oldest"),
    (Key("orders-view-capture"), "payment=authorized"),
    (Key("orders-view-refund-failed"), "payment=refund-failed"),
    (Key("orders-view-disputed"), "payment=disputed"),
];

/// A view above the list.
pub(super) struct View {
    pub(super) name: String,
    pub(super) url: String,
    /// Whether the list shows it.
    pub(super) is_current: bool,
    /// The id of a view that the admin has saved.
    pub(super) saved: Option<String>,
}

/// Returns all views. `here` is the query of the list.
pub(super) fn all(visit: &Visit<'_>, saved: Vec<SavedView>, here: &str) -> Vec<View> {
    let own = VIEWS.into_iter().map(|(name, query)| View {
        name: visit.text(name).to_string(),
        url: list::url(visit, query),
        is_current: query == here,
        saved: None,
    });
    let saved = saved.into_iter().filter(|view| view.fulfilment.is_none()).map(|view| {
        let query = list::address(&state(&view));
        View { url: list::url(visit, &query), is_current: query == here, saved: Some(view.id), name: view.name }
    });
    own.chain(saved).collect()
}

/// Returns the filters of the page. Its last day is the one before the moment of the API.
fn state(view: &SavedView) -> FormState {
    let day = |moment: Option<souk_types::Timestamp>, before: Duration| {
        moment.map(|moment| moment.before(before).to_string().chars().take(10).collect::<String>())
    };
    let text = |text: &Option<String>| text.clone();
    let sort = Some(view.sort.clone()).filter(|sort| sort != "newest");
    let values = [
        text(&view.q),
        text(&view.status),
        text(&view.payment),
        text(&view.country),
        day(view.from, Duration::ZERO),
        day(view.to, DAY),
        sort,
    ];
    let mut state = FormState::default();
    for (name, value) in FILTERS.into_iter().zip(values) {
        state.set(name, value.unwrap_or_default());
    }
    state
}

#[post("/admin/orders/views", data = "<form>")]
pub(super) async fn save(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let mut filters = list::state_of(form.get("query"));
    let mut view = FormState::of(&form);
    let query = list::filters(&visit, &mut filters);
    if !filters.errors().is_empty() {
        return list::page(&visit, &admin, filters, None, Shown { view, ..Shown::new()? }).await;
    }
    let given = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
    let body = json!({
        "name": view.value("name"), "status": given(&query.status), "payment": given(&query.payment),
        "country": given(&query.country), "q": given(&query.words), "from": query.from, "to": query.to,
        "sort": given(&query.sort),
    });
    let problem = match visit.api.save_view(&admin.token, &body).await {
        Ok(()) => return Ok(Answer::SeeOther(list::url_with(&visit, &list::address(&filters), "view=saved"))),
        Err(problem) => problem,
    };
    let status = Status::new(problem.status());
    let message = match &problem {
        Problem::Unavailable => Key("orders-problem-unavailable"),
        Problem::Refused(refusal) if refusal.code() == "too-many-views" => Key("orders-view-too-many"),
        Problem::Refused(refusal) if refusal.status == 422 => {
            let is_refused = |field: &str| refusal.fields.iter().any(|refused| refused.field == field);
            if is_refused("q") {
                Key("orders-view-address")
            } else if is_refused("to") {
                Key("orders-filter-period")
            } else if view.value("name").contains('@') {
                Key("orders-view-name-address")
            } else {
                Key("orders-view-name-invalid")
            }
        }
        Problem::Refused(_) => return Err(problem.into()),
    };
    view.refuse("name", visit.text(message).to_string());
    list::page(&visit, &admin, filters, None, Shown { status, view, ..Shown::new()? }).await
}

#[post("/admin/orders/views/<id>/remove", data = "<_form>")]
pub(super) async fn remove(visit: Visit<'_>, id: &str, _form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    match visit.api.remove_view(&admin.token, id).await {
        // Another tab has removed it.
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(Answer::SeeOther(list::url_with(&visit, "", "view=removed"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_saved_view_is_a_query_of_the_page() {
        let view = json!({
            "id": "1", "name": "Abroad", "status": null, "payment": null, "fulfilment": null, "country": "FR",
            "q": "green tea", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z", "sort": "newest",
        });
        let view: SavedView = serde_json::from_value(view).unwrap();
        assert_eq!(list::address(&state(&view)), "q=green%20tea&country=FR&from=2026-11-01&to=2026-11-30");
    }
}
