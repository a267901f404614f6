//! One product: creating, editing and deleting it.

use askama::Template;
use rocket::http::Status;
use rocket::{get, post};
use souk_contract::products::ProductId;
use souk_contract::role::Permission;
use souk_http::Param;

use super::super::edit::{EditForm, Refused, done as done_text, next_key, version};
use super::super::row_page::RowPage;
use super::super::{Admin, Nav, Section};
use super::LIST;
use super::form::{self, check_currency, fields, fill, known_category};
use super::image::ImageView;
use super::stock::StockView;
use crate::api::Problem;
use crate::api::admin_catalogue::EditedProduct;
use crate::fields::{FormState, Kind};
use crate::form::Form;
use crate::idempotency::{key_of, new_key};
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const NEW: &str = "/admin/products/new";

#[derive(Template)]
#[template(path = "admin/product.html")]
struct ProductPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    /// `None` for a new product.
    stored: Option<Stored>,
}

/// What the page shows of a product besides the form.
struct Stored {
    /// The URL of its page in the shop.
    shop_url: String,
    delete_url: String,
    name: String,
    /// The URL of its image.
    image_url: Option<String>,
    image: ImageView,
    /// `None` while the stock cannot be read.
    stock: Option<StockView>,
}

#[get("/admin/products/new")]
pub(super) async fn show_new(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::default();
    // The frame asks for the settings of the shop; a process that has just started has none yet.
    visit.app.shop.refresh(visit.api).await;
    state.set("currency", visit.app.shop.cached().0.currency.clone());
    new_page(&visit, &admin, &state, new_key()?, None).await
}

#[post("/admin/products/new", data = "<form>")]
pub(super) async fn create(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::of(&form);
    visit.app.shop.refresh(visit.api).await;
    if let Some(known) = known_category(&visit.app.shop.cached().1, state.value("category")) {
        state.set("category", known);
    }
    let currency = check_currency(&visit, &mut state).await;
    let product = form::json(visit.language, &state, &currency, true);
    match visit.api.create_product(&admin.token, &key_of(&form)?, &product).await {
        Ok(product) => Ok(to_product(&visit, product.id, "created")),
        Err(problem) => {
            let key = next_key(&form, &problem)?;
            let refused = Refused::of(&visit, &mut state, problem, form::name)?;
            new_page(&visit, &admin, &state, key, Some(refused)).await
        }
    }
}

#[get("/admin/products/<id>?<done>", rank = 2)]
pub(super) async fn show(visit: Visit<'_>, id: Param<ProductId>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let product = visit.api.edited_product(id.0).await?;
    let done = done_text(&visit, done);
    Edited { done, ..Edited::new(&visit, admin, product)? }.answer(&visit).await
}

#[post("/admin/products/<id>", data = "<form>", rank = 2)]
pub(super) async fn edit(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::of(&form);
    if let Some(known) = known_category(&visit.app.shop.cached().1, state.value("category"))
        // The category of this product may be spelled anew.
        && visit.api.edited_product(id.0).await.is_ok_and(|stored| stored.product.category != known)
    {
        state.set("category", known);
    }
    let currency = check_currency(&visit, &mut state).await;
    let json = form::json(visit.language, &state, &currency, false);
    match visit.api.edit_product(&admin.token, id.0, version(&form), &json).await {
        Ok(()) => Ok(to_product(&visit, id.0, "saved")),
        Err(problem) => {
            let mut refused = Refused::of(&visit, &mut state, problem, form::name)?;
            let Some(product) = refused.read_again(&visit, visit.api.edited_product(id.0)).await? else {
                let seen = version(&form).to_owned();
                let form = edit_form(&visit, &path(id.0), &state).version(seen).refused(Some(&refused));
                let title = state.optional("name").unwrap_or("…").to_owned();
                return form_page(&visit, &admin, title, form, refused.status).await;
            };
            // What was refused for another reason is still based on the version of the form.
            let seen = (!refused.is_conflict()).then(|| version(&form).to_owned());
            let refused = Some(refused);
            Edited { state, seen, refused, ..Edited::new(&visit, admin, product)? }.answer(&visit).await
        }
    }
}

#[post("/admin/products/<id>/delete", data = "<_form>")]
pub(super) async fn delete(visit: Visit<'_>, id: Param<ProductId>, _form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    match visit.api.delete_product(&admin.token, id.0).await {
        // Another tab has deleted it.
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(Answer::SeeOther(visit.url(&format!("{LIST}?done=deleted")))),
    }
}

async fn new_page(
    visit: &Visit<'_>,
    admin: &Admin,
    state: &FormState,
    key: String,
    refused: Option<Refused>,
) -> PageResult {
    let title = visit.text("admin-product-new").to_string();
    let (page, nav) = admin.frame(visit, Section::Products, title).await?;
    let form = EditForm::new(visit, NEW, state, fields(visit, state, true), Key("admin-create")).key(key);
    let status = refused.as_ref().map_or(Status::Ok, |refused| refused.status);
    let page = ProductPage { page, nav, form: form.refused(refused.as_ref()), stored: None };
    Ok(Page::personal(&page)?.status(status).into())
}

/// Shows a form alone, while the product cannot be read.
pub(super) async fn form_page(
    visit: &Visit<'_>,
    admin: &Admin,
    title: String,
    form: EditForm,
    status: Status,
) -> PageResult {
    RowPage {
        section: Section::Products,
        title,
        back: (visit.url(LIST), visit.text("admin-nav-products").to_string()),
        views: Vec::new(),
        lead: None,
        form,
        remove: None,
    }
    .answer(visit, admin, status)
    .await
}

/// Returns the path of the page of a product.
pub(super) fn path(id: ProductId) -> String {
    format!("{LIST}/{id}")
}

fn edit_form(visit: &Visit<'_>, path: &str, state: &FormState) -> EditForm {
    EditForm::new(visit, path, state, fields(visit, state, false), Key("admin-save"))
}

/// The page of a stored product.
pub(super) struct Edited {
    pub(super) admin: Admin,
    pub(super) product: EditedProduct,
    /// What the form of the product contains.
    pub(super) state: FormState,
    /// The version that the form is based on; `None` for the stored one.
    pub(super) seen: Option<String>,
    /// Why a form was refused.
    pub(super) refused: Option<Refused>,
    pub(super) done: Option<String>,
    /// A form of the stock that was refused.
    pub(super) stock: Option<FormState>,
    /// The key of the form that adds to the stock.
    pub(super) stock_key: String,
    /// A form of the image that was refused.
    pub(super) image: Option<(Status, FormState)>,
}

impl Edited {
    /// Returns the page of a product as it is stored. Errors: no random numbers.
    pub(super) fn new(visit: &Visit<'_>, admin: Admin, product: EditedProduct) -> Result<Self, PageError> {
        let (state, stock_key) = (fill(visit.language, &product), new_key()?);
        let (seen, refused, done, stock, image) = (None, None, None, None, None);
        Ok(Self { admin, product, state, seen, refused, done, stock, stock_key, image })
    }

    pub(super) async fn answer(self, visit: &Visit<'_>) -> PageResult {
        let Self { admin, product: edited, state, seen, refused, done, stock, stock_key, image } = self;
        let product = &edited.product;
        let frame = admin.frame(visit, Section::Products, product.name.clone());
        let (frame, levels) = tokio::join!(frame, visit.api.stock(&admin.token, product.id));
        let (page, nav) = frame?;
        let (of_product, of_stock) = if stock.is_some() { (None, refused.as_ref()) } else { (refused.as_ref(), None) };
        let path = path(product.id);
        let form = edit_form(visit, &path, &state);
        let mut form = form.version(seen.unwrap_or_else(|| edited.tag())).refused(of_product).done(done);
        if of_product.is_some_and(Refused::is_conflict) {
            form = form.compare(visit, &fill(visit.language, &edited));
        }
        let levels = match levels {
            Ok(levels) => Some(levels),
            Err(Problem::Unavailable) => None,
            Err(problem) => return Err(problem.into()),
        };
        let state = stock.unwrap_or_default();
        let stock = levels.map(|levels| StockView::new(visit, &path, levels, &state, stock_key, of_stock));
        let status = refused.as_ref().map(|refused| refused.status);
        let status = status.or(image.as_ref().map(|(status, _)| *status)).unwrap_or(Status::Ok);
        let stored = Stored {
            shop_url: page.product_url(product),
            delete_url: visit.url(&format!("{path}/delete")),
            name: product.name.clone(),
            image_url: product.image.clone(),
            image: ImageView::new(visit, product.id, product.image.as_deref(), image.map(|(_, state)| state)),
            stock,
        };
        Ok(Page::personal(&ProductPage { page, nav, form, stored: Some(stored) })?.status(status).into())
    }
}

/// Returns the URL of a product's page, which says what was done.
pub(super) fn to_product(visit: &Visit<'_>, id: ProductId, done: &str) -> Answer {
    Answer::SeeOther(visit.url(&format!("{}?done={done}", path(id))))
}
