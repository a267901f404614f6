//! Routes by page. A route asks the services for what the page shows, all at once, and renders the
//! template. What a service that is down would have shown is a notice in the page.

mod account;
mod admin;
mod assets;
mod cart;
mod checkout;
mod errors;
mod front;
mod home;
mod legal;
mod listing;
mod order;
mod product;
mod robots;
mod structured_data;
mod wishlist;

use rocket::{Catcher, Route, catchers, routes};
use souk_http::{with_page_limits, without_limits};

/// Returns the routes below the prefix of each language.
pub(crate) fn routes() -> Vec<Route> {
    let browsing = routes![
        home::show,
        home::show_categories,
        listing::show_category,
        listing::search,
        product::show,
        product::show_without_name,
        cart::show,
        cart::add,
        cart::set_line,
        cart::set_codes,
        wishlist::show,
        wishlist::add,
        wishlist::remove,
        legal::show,
    ];
    let pages = [browsing, checkout::routes(), order::routes(), account::routes(), admin::routes()].concat();
    [with_page_limits(pages), without_limits(admin::slow_routes())].concat()
}

/// Returns the routes without a language.
pub(crate) fn root_routes() -> Vec<Route> {
    let root =
        routes![front::show, front::whoami, assets::get, robots::get_robots, robots::get_sitemap, errors::no_page];
    with_page_limits([root, order::root_routes(), account::root_routes(), admin::root_routes()].concat())
}

/// Returns the catcher of errors below the prefix of each language.
pub(crate) fn catchers() -> Vec<Catcher> {
    catchers![errors::everything]
}

#[cfg(test)]
mod tests;
