//! The first page: what needs somebody today.

use askama::Template;
use rocket::get;

use super::{Admin, Nav, Section};
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    page: Frame,
    nav: Nav,
}

#[get("/admin")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit).await?;
    let (page, nav) = admin.frame(&visit, Section::Overview, visit.text("admin-overview-title").to_string()).await?;
    Ok(Page::personal(&OverviewPage { page, nav })?.into())
}
