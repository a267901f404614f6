use rocket::data::{Data, FromData};
use rocket::http::ContentType;
use rocket::request::{Outcome, Request};
use rocket::response::status::Created;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, post};
use souk_contract::api::MAX_FILE;
use souk_http::auth::permission::ManageCatalogue;
use souk_http::{Body, PublicForADay, PublicForever, data_outcome};
use souk_types::Error;

use super::{Staff, into_result};
use crate::App;
use crate::application::images::{self, ImageView};
use crate::application::sample_catalogue;

/// An image of the sample catalogue, which another release may change, or an uploaded one.
#[derive(rocket::Responder)]
pub(super) enum Image {
    Sample(PublicForADay<(ContentType, &'static [u8])>),
    Uploaded(PublicForever<(ContentType, Vec<u8>)>),
}

#[get("/images/<name>")]
pub(super) async fn get_image(app: &State<App>, name: &str) -> souk_http::Result<Image> {
    if let Some(image) = sample_catalogue::image(name) {
        return Ok(Image::Sample(PublicForADay((ContentType::SVG, image))));
    }
    Ok(Image::Uploaded(PublicForever((ContentType::JPEG, images::get(app, name).await?))))
}

#[post("/images", data = "<file>")]
pub(super) async fn upload_image(
    app: &State<App>,
    file: ImageUpload,
) -> souk_http::Result<Created<JsonResponse<ImageView>>> {
    let image = images::upload(app, file.0).await?;
    Ok(Created::new(image.image.clone()).body(JsonResponse(image)))
}

/// The file of an image. Its `Content-Type` does not matter.
pub(super) struct ImageUpload(Vec<u8>);

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
    let file = Body::of(request).read(MAX_FILE as u64).await?;
    if file.is_empty() {
        return Err(Error::malformed("The body is empty; send the file of an image."));
    }
    Ok(ImageUpload(file))
}
