//! The image of a product: a file that is uploaded, and its removal.

use rocket::http::Status;
use rocket::post;
use souk_contract::image::ImageName;
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

/// The field with the address of an image on another site.
const ADDRESS: &str = "image";

/// The image on the page of a product.
pub(super) struct ImageView {
    /// The form with the file, and the one with the address of an image on another site.
    pub(super) forms: [EditForm; 2],
    /// The URL to which the form that removes the image is sent.
    pub(super) remove_url: String,
}

impl ImageView {
    /// `image` is the URL of the stored image. `state` is a form that was refused.
    pub(super) fn new(visit: &Visit<'_>, id: ProductId, image: Option<&str>, state: Option<FormState>) -> Self {
        let (path, mut state) = (path(id), state.unwrap_or_default());
        let of_other_site = image.filter(|image| ImageName::all_of(image).is_none());
        if let (Some(image), false) = (of_other_site, state.has(ADDRESS)) {
            state.set(ADDRESS, image);
        }
        let field = |name: &str, label: Key| {
            let has_focus = state.error(name).is_some();
            Field { has_focus, ..Field::new(&state, name, visit.text(label)) }
        };
        let file = field(FILE_FIELD, Key("image-file")).hint(visit.text("image-file-hint"));
        let file = file.file("image/jpeg,image/png,image/webp");
        let address = field(ADDRESS, Key("image-address")).hint(visit.text("image-address-hint")).up_to(500);
        let submit = if image.is_some() { Key("image-replace") } else { Key("image-upload") };
        // The errors are beside the fields.
        let none = FormState::default();
        let forms = [
            EditForm::new(visit, &format!("{path}/image"), &none, vec![file], submit),
            EditForm::new(visit, &format!("{path}/image/link"), &none, vec![address], Key("image-link")),
        ];
        Self { forms, remove_url: visit.url(&format!("{path}/image/remove")) }
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
        let mut state = FormState::default();
        state.refuse(FILE_FIELD, visit.text("image-file-missing").to_string());
        return show(&visit, admin, id.0, Status::UnprocessableEntity, state).await;
    }
    let image = match visit.api.upload_image(&admin.token, &uploaded.file).await {
        Ok(image) => image,
        Err(problem) => return refuse(&visit, admin, id.0, problem).await,
    };
    set(&visit, admin, id.0, Some(&image)).await
}

#[post("/admin/products/<id>/image/link", data = "<form>")]
pub(super) async fn link(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::of(&form);
    match visit.api.set_image(&admin.token, id.0, state.optional(ADDRESS)).await {
        Ok(()) => Ok(to_product(&visit, id.0, "saved")),
        Err(problem) if problem.refuses(ADDRESS) => {
            state.refuse(ADDRESS, visit.text("invalid-admin-image").to_string());
            show(&visit, admin, id.0, Status::UnprocessableEntity, state).await
        }
        Err(problem) => refuse(&visit, admin, id.0, problem).await,
    }
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
    let mut state = FormState::default();
    let refused = Refused::of(visit, &mut state, problem, |_: &FieldError| None)?;
    state.refuse(FILE_FIELD, refused.text.unwrap_or_else(|| visit.text("admin-refused").to_string()));
    show(visit, admin, id, refused.status, state).await
}

async fn show(visit: &Visit<'_>, admin: Admin, id: ProductId, status: Status, image: FormState) -> PageResult {
    let product = visit.api.edited_product(id).await?;
    Edited { image: Some((status, image)), ..Edited::new(visit, admin, product)? }.answer(visit).await
}
