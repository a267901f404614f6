//! The legal pages.

use askama::Template;
use rocket::get;

use crate::legal::LegalPage;
use crate::page::{Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "legal.html")]
struct Legal<'a> {
    page: Frame,
    html: &'a str,
    /// Whether the page shows the name and the address of the shop.
    has_address: bool,
    is_sample: bool,
}

#[get("/legal/<name>")]
pub(super) async fn show(visit: Visit<'_>, name: &str) -> PageResult {
    let legal = LegalPage::parse(name).ok_or_else(PageError::not_found)?;
    let content = visit.app.options.legal.get(visit.language, legal).ok_or_else(PageError::not_found)?;
    let mut page = visit.frame(visit.text(legal.title()).to_string()).await?;
    if !content.is_sample {
        page.index(String::new());
    }
    let has_address = legal == LegalPage::Imprint;
    Ok(Page::browsing(&Legal { page, html: &content.html, has_address, is_sample: content.is_sample })?.into())
}
