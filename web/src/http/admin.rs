//! The pages of the people who run the shop, below `/admin`. Each needs a permission. The services
//! check it again with each request that reads what is not public, or changes anything.

mod config_json;
mod dead_letters;
mod discounts;
mod documents;
mod edit;
mod mails;
mod moments;
mod orders;
mod overview;
mod products;
mod row_page;
mod rows;
mod settings;
mod shipping;
mod staff;
mod system;
mod taxes;

use rocket::response::Redirect;
use rocket::{Route, get, routes};
use souk_contract::customer::CustomerId;
use souk_contract::role::{Permission, Role};
use souk_http::auth::Claims;
use souk_types::{CappedCount, Timestamp};

use crate::admin_section::Section;
use crate::api::{Problem, Token};
use crate::locale::Language;
use crate::page::{Frame, PageError};
use crate::visit::Visit;

pub(super) fn routes() -> Vec<Route> {
    let catalogue = [products::routes(), discounts::routes(), settings::routes()].concat();
    let configuration = [taxes::routes(), shipping::routes(), config_json::routes()].concat();
    let operation =
        [staff::routes(), mails::routes(), dead_letters::routes(), documents::routes(), system::routes()].concat();
    [routes![overview::show], orders::routes(), catalogue, configuration, operation].concat()
}

/// The routes whose work may take a minute.
pub(super) fn slow_routes() -> Vec<Route> {
    products::slow_routes()
}

/// The routes without a language.
pub(super) fn root_routes() -> Vec<Route> {
    routes![show_without_language]
}

#[get("/admin")]
fn show_without_language(visit: Visit<'_>) -> Redirect {
    Redirect::to(visit.url("/admin"))
}

/// A member of staff who has signed in.
struct Admin {
    id: CustomerId,
    token: Token,
    role: Role,
    /// The e-mail address; `None` while `customer` does not answer. The role is then that of the
    /// token, which `web` cannot verify. A forged one shows empty forms and public data only.
    email: Option<String>,
}

/// What `admin/base.html` shows around the content. Every template that extends it has this in
/// the field `nav`, beside the [`Frame`] in the field `page`.
struct Nav {
    /// The e-mail address of the member of staff.
    email: Option<String>,
    role: Role,
    section: Section,
}

impl Nav {
    /// Returns the parts that the role may see, and whether this page belongs to the part.
    fn sections(&self) -> Vec<(Section, bool)> {
        let is_allowed = |section: &Section| section.permission().is_none_or(|permission| self.role.may(permission));
        Section::ALL.into_iter().filter(is_allowed).map(|section| (section, section == self.section)).collect()
    }
}

/// Returns the moment at which a day begins in UTC; `None` for text that is no day
/// (`2026-11-29`).
fn start_of_day(day: &str) -> Option<Timestamp> {
    serde_json::from_value(format!("{day}T00:00:00Z").into()).ok()
}

/// Writes a count; `1,000+` when there are more.
fn count_text(language: Language, count: CappedCount) -> String {
    let number = language.number(u64::try_from(count.count).unwrap_or(u64::MAX));
    if count.more { format!("{number}+") } else { number }
}

/// Returns the text; a dash where there is none.
fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

impl Admin {
    /// Returns the member of staff of a visit. Errors: a redirect to the sign-in page; 403 when the
    /// role does not have the permission; `customer` does not answer, and only it can confirm the
    /// permission.
    async fn of(visit: &Visit<'_>, permission: Permission) -> Result<Self, PageError> {
        let admin = Self::of_any_role(visit).await?;
        if admin.may(permission) {
            Ok(admin)
        } else if admin.role.may(permission) {
            Err(Problem::Unavailable.into())
        } else {
            Err(PageError::forbidden())
        }
    }

    /// Like [`Self::of`], for work before which no service checks the permission, such as reading a
    /// large body.
    async fn confirmed(visit: &Visit<'_>, permission: Permission) -> Result<Self, PageError> {
        let admin = Self::of(visit, permission).await?;
        if admin.email.is_some() { Ok(admin) } else { Err(Problem::Unavailable.into()) }
    }

    /// Like [`Self::of`], for a page of which each role sees a part.
    async fn of_any_role(visit: &Visit<'_>) -> Result<Self, PageError> {
        let token = visit.require_customer().await?;
        let admin = match visit.api.profile(&token).await {
            Ok(profile) => Self { id: profile.id, token, role: profile.role, email: Some(profile.email) },
            Err(Problem::Unavailable) => {
                let claims = Claims::unverified(&token.0).ok_or(Problem::Unavailable)?;
                Self { id: claims.sub, token, role: claims.role, email: None }
            }
            Err(problem) => return Err(problem.into()),
        };
        if admin.role.is_staff() { Ok(admin) } else { Err(PageError::forbidden()) }
    }

    /// Whether the pages may show what this permission is for. No service checks requests about the
    /// system, so `customer` must have confirmed the role for them.
    fn may(&self, permission: Permission) -> bool {
        let is_confirmed = self.email.is_some();
        self.role.may(permission) && (is_confirmed || permission != Permission::OperateSystem)
    }

    /// Returns the outer parts of a page.
    async fn frame(
        &self,
        visit: &Visit<'_>,
        section: Section,
        title: impl Into<String>,
    ) -> Result<(Frame, Nav), PageError> {
        Ok((visit.frame(title).await?, Nav { email: self.email.clone(), role: self.role, section }))
    }
}
