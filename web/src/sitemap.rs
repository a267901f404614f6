//! The sitemap (<https://www.sitemaps.org>): the URLs of all pages that search engines may
//! list. Reading the whole catalogue takes seconds, so a sitemap is kept for an hour.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use souk_bus::Bus;
use souk_types::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::api::catalogue::{ProductQuery, Sort};
use crate::api::{Api, Result};
use crate::links::encode;
use crate::locale::Language;
use crate::page::product_path;

/// Age from which the sitemap is built again.
const MAX_AGE: Duration = Duration::from_hours(1);
/// The largest number of URLs in one sitemap. The newest products are in it.
const MAX_URLS: usize = 50_000;
/// Products in one request: as many as the API allows.
const PAGE_SIZE: usize = 100;

/// The latest sitemap.
#[derive(Default)]
pub(crate) struct SitemapCache(Mutex<Option<(Instant, Arc<str>)>>);

impl SitemapCache {
    /// Returns the sitemap, and builds it when it is too old. One task builds; others wait for it.
    /// It goes on when the request that needed it has timed out.
    pub(crate) async fn get(self: &Arc<Self>, bus: Bus, client: IpAddr, public_url: String) -> Result<Arc<str>> {
        let cache = Arc::clone(self);
        let task =
            tokio::spawn(async move { cache.read_or_build(Api::new(&bus, client).for_all(), &public_url).await });
        task.await.map_err(Error::internal)?
    }

    async fn read_or_build(&self, api: Api<'_>, public_url: &str) -> Result<Arc<str>> {
        let mut cached = self.0.lock().await;
        if let Some((built_at, sitemap)) = &*cached
            && built_at.elapsed() < MAX_AGE
        {
            return Ok(Arc::clone(sitemap));
        }
        let sitemap: Arc<str> = build(api, public_url).await?.into();
        *cached = Some((Instant::now(), Arc::clone(&sitemap)));
        Ok(sitemap)
    }
}

async fn build(api: Api<'_>, public_url: &str) -> Result<String> {
    let mut sitemap = Sitemap::new(public_url);
    sitemap.add("");
    sitemap.add("/search");
    sitemap.add("/categories");
    for category in api.categories().await?.all {
        sitemap.add(&format!("/c/{}", encode(&category.name)));
    }
    let mut after: Option<String> = None;
    while !sitemap.is_full() {
        let query =
            ProductQuery { sort: Sort::Newest, limit: PAGE_SIZE, after: after.as_deref(), ..ProductQuery::default() };
        let list = api.products(query).await?;
        for product in &list.items {
            sitemap.add(&product_path(product.id, &product.name));
        }
        match list.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(sitemap.finish())
}

/// A sitemap that is being written.
struct Sitemap<'a> {
    public_url: &'a str,
    xml: String,
    urls: usize,
}

impl<'a> Sitemap<'a> {
    fn new(public_url: &'a str) -> Self {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                   <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n";
        Self { public_url, xml: xml.to_owned(), urls: 0 }
    }

    fn is_full(&self) -> bool {
        self.urls + Language::ALL.len() > MAX_URLS
    }

    /// Adds a page in all languages. `path` is percent-encoded, so that it needs no other escape.
    fn add(&mut self, path: &str) {
        if self.is_full() {
            return;
        }
        for language in Language::ALL {
            let _ = write!(self.xml, "<url><loc>{}{}{path}</loc>", self.public_url, language.prefix());
            for other in Language::ALL {
                let (tag, url) = (other.tag(), format_args!("{}{}{path}", self.public_url, other.prefix()));
                let _ = write!(self.xml, "<xhtml:link rel=\"alternate\" hreflang=\"{tag}\" href=\"{url}\"/>");
            }
            self.xml.push_str("</url>\n");
            self.urls += 1;
        }
    }

    fn finish(mut self) -> String {
        self.xml.push_str("</urlset>\n");
        self.xml
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_listed_in_every_language_with_the_others() {
        let mut sitemap = Sitemap::new("https://shop.example");
        sitemap.add("/c/tea%20%26%20more");
        let xml = sitemap.finish();
        assert_eq!(xml.matches("<url>").count(), 2);
        assert_eq!(xml.matches("hreflang=\"de\" href=\"https://shop.example/de/c/tea%20%26%20more\"").count(), 2);
        assert!(!xml.contains('&'));
    }

    #[test]
    fn a_sitemap_is_bounded() {
        let mut sitemap = Sitemap::new("");
        for _ in 0..MAX_URLS {
            sitemap.add("/x");
        }
        assert_eq!(sitemap.finish().matches("<url>").count(), MAX_URLS);
    }
}
