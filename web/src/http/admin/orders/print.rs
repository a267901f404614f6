//! What is printed of an order: the packing slip, and the whole order.

use askama::Template;
use rocket::get;
use souk_contract::role::Permission;
use souk_contract::shopping::OrderId;
use souk_http::Param;

use super::{Admin, Nav, Section, order_path};
use crate::api::admin_orders::AdminOrder;
use crate::api::order::{OrderItem, ShippedLine};
use crate::fields::address;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "admin/orders/slip.html")]
struct SlipPage {
    page: Frame,
    nav: Nav,
    order: AdminOrder,
    /// The page of the order.
    back: String,
    sender: Vec<String>,
    recipient: Vec<String>,
    /// Pieces and names.
    lines: Vec<(u32, String)>,
}

/// The packing slip of what is left, or of one parcel. When nothing is left, it has everything.
#[get("/admin/orders/<id>/slip?<parcel>")]
pub(super) async fn slip(visit: Visit<'_>, id: Param<OrderId>, parcel: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let order = visit.api.any_order(&admin.token, id.0).await?;
    let title = visit.text("orders-slip-title").arg("number", order.order.name()).to_string();
    let (page, nav) = admin.frame(&visit, Section::Orders, title).await?;
    let name = |line: &ShippedLine| (line.quantity, order.order.product_name(&line.product_id).to_owned());
    let lines = if let Some(parcel) = parcel {
        let shipments = &order.order.shipments;
        let parcel = shipments.iter().find(|shipment| shipment.id.to_string() == parcel);
        parcel.ok_or_else(PageError::not_found)?.lines.iter().map(name).collect()
    } else {
        let is_left = order.left() > 0;
        let pieces = |item: &OrderItem| if is_left { order.pieces(item.product.id).left } else { item.quantity };
        let line = |item: &OrderItem| (pieces(item), item.product.name.clone());
        order.order.items.iter().map(line).filter(|(pieces, _)| *pieces > 0).collect()
    };
    let template = SlipPage {
        back: visit.url(&order_path(&id.0)),
        sender: sender(&visit, &page),
        recipient: recipient(&visit, &page, &order),
        lines,
        page,
        nav,
        order,
    };
    Ok(Page::personal(&template)?.into())
}

#[derive(Template)]
#[template(path = "admin/orders/print.html")]
struct PrintPage {
    page: Frame,
    nav: Nav,
    order: AdminOrder,
    back: String,
    sender: Vec<String>,
    recipient: Vec<String>,
    billing: Vec<String>,
}

#[get("/admin/orders/<id>/print")]
pub(super) async fn order(visit: Visit<'_>, id: Param<OrderId>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let order = visit.api.any_order(&admin.token, id.0).await?;
    let title = visit.text("order-title").arg("number", order.order.name()).to_string();
    let (page, nav) = admin.frame(&visit, Section::Orders, title).await?;
    let home = page.shop.home_country.as_ref();
    let billing = order.order.billing_address.as_ref();
    let template = PrintPage {
        back: visit.url(&order_path(&id.0)),
        sender: sender(&visit, &page),
        recipient: recipient(&visit, &page, &order),
        billing: billing.map(|billing| address::lines(visit.language, billing, home)).unwrap_or_default(),
        page,
        nav,
        order,
    };
    Ok(Page::personal(&template)?.into())
}

/// Returns the address of the shop, or its name while it has none.
fn sender(visit: &Visit<'_>, page: &Frame) -> Vec<String> {
    let shop = &page.shop;
    let lines = |address| address::lines(visit.language, address, shop.home_country.as_ref());
    shop.address.as_ref().map_or_else(|| vec![shop.legal_name.clone()], lines)
}

fn recipient(visit: &Visit<'_>, page: &Frame, order: &AdminOrder) -> Vec<String> {
    let lines = |address| address::lines(visit.language, address, page.shop.home_country.as_ref());
    order.order.shipping_address.as_ref().map(lines).unwrap_or_default()
}
