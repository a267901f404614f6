//! What search engines read beside pages: `robots.txt` and the sitemap.

use rocket::get;
use rocket::http::ContentType;

use crate::app::App;
use crate::locale::Language;
use crate::page::PageError;
use crate::visit::Visit;

/// Pages that are different for each visitor, or for each search.
const PRIVATE: [&str; 7] = ["/cart", "/checkout", "/order", "/account", "/wishlist", "/search?q=", "/admin"];

#[get("/robots.txt")]
pub(super) fn get_robots(visit: Visit<'_>) -> (ContentType, String) {
    let private = Language::ALL
        .iter()
        .flat_map(|language| PRIVATE.map(|path| format!("Disallow: {}{path}\n", language.prefix())));
    let text = format!(
        "User-agent: *\n{}Disallow: /admin\nDisallow: /customer\nDisallow: /mail\nDisallow: /shopping\n\nSitemap: {}/sitemap.xml\n",
        private.collect::<String>(),
        visit.app.options.public_url
    );
    (ContentType::Plain, text)
}

#[get("/sitemap.xml")]
pub(super) async fn get_sitemap(visit: Visit<'_>) -> Result<(ContentType, String), PageError> {
    let App { bus, options, sitemap, .. } = visit.app;
    let sitemap = sitemap.get(bus.clone(), visit.client, options.public_url.clone()).await?;
    Ok((ContentType::XML, sitemap.to_string()))
}
