use std::sync::Arc;

use rocket::data::{Data, FromData};
use rocket::http::ContentType;
use rocket::request::{Outcome, Request};
use rocket::response::status::Created;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, post};
use souk_contract::api::MAX_FILE;
use souk_http::auth::permission::ManageCatalogue;
use souk_http::{Body, PublicForADay, PublicImmutable, data_outcome};
use souk_types::Error;
use tokio::sync::OwnedSemaphorePermit;

use super::{Staff, into_result};
use crate::App;
use crate::application::images::{self, ImageView};
use crate::application::sample_catalogue;

/// An image of the sample catalogue, which another release may change, or an uploaded one.
#[derive(rocket::Responder)]
pub(super) enum Image {
    Sample(PublicForADay<(ContentType, &'static [u8])>),
    Uploaded(PublicImmutable<(ContentType, Vec<u8>)>),
}

#[get("/images/<name>")]
pub(super) async fn get_image(app: &State<App>, name: &str) -> souk_http::Result<Image> {
    if let Some(image) = sample_catalogue::image(name) {
        return Ok(Image::Sample(PublicForADay((ContentType::SVG, image))));
    }
    Ok(Image::Uploaded(PublicImmutable((ContentType::JPEG, images::get(app, name).await?))))
}

#[post("/images", data = "<file>")]
pub(super) async fn upload_image(
    app: &State<App>,
    file: ImageUpload,
) -> souk_http::Result<Created<JsonResponse<ImageView>>> {
    let image = images::upload(app, file.bytes).await?;
    Ok(Created::new(image.image.clone()).body(JsonResponse(image)))
}

/// The file of an image. Its `Content-Type` does not matter.
pub(super) struct ImageUpload {
    bytes: Vec<u8>,
    /// Of the limit of uploads, until the response.
    _permit: OwnedSemaphorePermit,
}

#[rocket::async_trait]
impl<'r> FromData<'r> for ImageUpload {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        data_outcome(request, read(request).await)
    }
}

/// Checks the client before the body, which only staff may send.
async fn read(request: &Request<'_>) -> souk_types::Result<ImageUpload> {
    let staff: Outcome<Staff<ManageCatalogue>, Error> = request.guard().await;
    into_result(staff)?;
    let app = request.rocket().state::<App>().ok_or_else(|| Error::internal("App is not managed"))?;
    let permit = Arc::clone(&app.image_uploads).try_acquire_owned();
    let permit = permit.map_err(|_| Error::busy("Too many images are being uploaded; try again."))?;
    let file = Body::of(request).read(MAX_FILE as u64).await?;
    if file.is_empty() {
        return Err(Error::malformed("The body is empty; send the file of an image."));
    }
    Ok(ImageUpload { bytes: file, _permit: permit })
}
