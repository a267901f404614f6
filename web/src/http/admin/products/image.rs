//! The image of a product: a file that is uploaded, and its removal.

use rocket::http::Status;
use rocket::post;
use souk_contract::products::ProductId;
use souk_contract::role::Permission;
use souk_http::Param;
use souk_types::FieldError;

use super::super::Admin;
use super::super::edit::{EditForm, Refused};
use super::one::{Edited, path, to_product};
use crate::api::Problem;
use crate::fields::{Field, FormState};
use crate::form::Form;
use crate::locale::Key;
use crate::page::PageResult;
use crate::upload::{FILE_FIELD, Upload};
use crate::visit::Visit;

/// The image on the page of a product.
pub(super) struct ImageView {
    /// The form with the file.
    pub(super) form: EditForm,
    /// The URL to which the form that removes the image is sent.
    pub(super) remove_url: String,
}

impl ImageView {
    /// `problem` is why a file was refused.
    pub(super) fn new(visit: &Visit<'_>, id: ProductId, has_image: bool, problem: Option<String>) -> Self {
        let (path, mut state) = (path(id), FormState::default());
        if let Some(problem) = &problem {
            state.refuse(FILE_FIELD, problem.clone());
        }
        let field = Field::new(&state, FILE_FIELD, visit.text("image-file")).hint(visit.text("image-file-hint"));
        let field = Field { has_focus: problem.is_some(), ..field.file("image/jpeg,image/png,image/webp") };
        let submit = if has_image { Key("image-replace") } else { Key("image-upload") };
        let form = EditForm::new(visit, &format!("{path}/image"), &state, vec![field], submit);
        Self { form, remove_url: visit.url(&format!("{path}/image/remove")) }
    }
}

#[post("/admin/products/<id>/image")]
pub(super) async fn upload(visit: Visit<'_>, id: Param<ProductId>, upload: Upload<'_>) -> PageResult {
    let admin = Admin::confirmed(&visit, Permission::ManageCatalogue).await?;
    let uploaded = match upload.read().await {
        Ok(uploaded) => uploaded,
        Err(problem) if problem.status() == 413 => return refuse(&visit, admin, id.0, problem).await,
        Err(problem) => return Err(problem.into()),
    };
    if uploaded.file.is_empty() {
        let text = visit.text("image-file-missing").to_string();
        return show(&visit, admin, id.0, Status::UnprocessableEntity, text).await;
    }
    let image = match visit.api.upload_image(&admin.token, &uploaded.file).await {
        Ok(image) => image,
        Err(problem) => return refuse(&visit, admin, id.0, problem).await,
    };
    set(&visit, admin, id.0, Some(&image)).await
}

#[post("/admin/products/<id>/image/remove", data = "<_form>")]
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

/// Shows the page of the product, with why its image was not changed.
async fn refuse(visit: &Visit<'_>, admin: Admin, id: ProductId, problem: Problem) -> PageResult {
    let refused = Refused::of(visit, &mut FormState::default(), problem, |_: &FieldError| None)?;
    let text = refused.text.unwrap_or_else(|| visit.text("admin-refused").to_string());
    show(visit, admin, id, refused.status, text).await
}

async fn show(visit: &Visit<'_>, admin: Admin, id: ProductId, status: Status, problem: String) -> PageResult {
    let product = visit.api.edited_product(id).await?;
    Edited { image: Some((status, problem)), ..Edited::new(visit, admin, product)? }.answer(visit).await
}
