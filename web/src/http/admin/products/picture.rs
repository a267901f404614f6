//! The picture of a product: a file that is uploaded, and its removal.

use rocket::http::Status;
use rocket::post;
use souk_contract::products::ProductId;
use souk_contract::role::Permission;
use souk_http::Param;
use souk_types::FieldError;

use super::super::Admin;
use super::super::edit::Refused;
use super::one::{Edited, path, to_product};
use crate::api::Problem;
use crate::fields::FormState;
use crate::form::Form;
use crate::page::PageResult;
use crate::upload::Upload;
use crate::visit::Visit;

/// The picture on the page of a product.
pub(super) struct PictureView {
    /// The URL to which the form with the file is sent.
    pub(super) upload_url: String,
    /// The URL to which the form that removes the picture is sent.
    pub(super) remove_url: String,
    /// What is wrong with the file.
    pub(super) problem: Option<String>,
}

impl PictureView {
    pub(super) fn new(visit: &Visit<'_>, id: ProductId, problem: Option<String>) -> Self {
        let path = path(id);
        let url = |action: &str| visit.url(&format!("{path}/{action}"));
        Self { upload_url: url("picture"), remove_url: url("picture/remove"), problem }
    }
}

#[post("/admin/products/<id>/picture")]
pub(super) async fn upload(visit: Visit<'_>, id: Param<ProductId>, upload: Upload<'_>) -> PageResult {
    let admin = Admin::confirmed(&visit, Permission::ManageCatalogue).await?;
    let uploaded = match upload.read().await {
        Ok(uploaded) => uploaded,
        Err(problem) if problem.status() == 413 => return refuse(&visit, admin, id.0, problem).await,
        Err(problem) => return Err(problem.into()),
    };
    if uploaded.file.is_empty() {
        let text = visit.text("picture-file-missing").to_string();
        return show(&visit, admin, id.0, Status::UnprocessableEntity, text).await;
    }
    let image = match visit.api.upload_image(&admin.token, &uploaded.file).await {
        Ok(image) => image,
        Err(problem) => return refuse(&visit, admin, id.0, problem).await,
    };
    set(&visit, admin, id.0, Some(&image)).await
}

#[post("/admin/products/<id>/picture/remove", data = "<_form>")]
pub(super) async fn remove(visit: Visit<'_>, id: Param<ProductId>, _form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    set(&visit, admin, id.0, None).await
}

async fn set(visit: &Visit<'_>, admin: Admin, id: ProductId, image: Option<&str>) -> PageResult {
    match visit.api.set_image(&admin.token, id, image).await {
        Ok(()) => Ok(to_product(visit, id, "saved")),
        Err(problem) => refuse(visit, admin, id, problem).await,
    }
}

/// Shows the page of the product, with why its picture was not changed.
async fn refuse(visit: &Visit<'_>, admin: Admin, id: ProductId, problem: Problem) -> PageResult {
    let refused = Refused::of(visit, &mut FormState::default(), problem, |_: &FieldError| None)?;
    let text = refused.text.unwrap_or_else(|| visit.text("admin-refused").to_string());
    show(visit, admin, id, refused.status, text).await
}

async fn show(visit: &Visit<'_>, admin: Admin, id: ProductId, status: Status, problem: String) -> PageResult {
    let product = visit.api.edited_product(id).await?;
    Edited { picture: Some((status, problem)), ..Edited::new(visit, admin, product)? }.answer(visit).await
}
