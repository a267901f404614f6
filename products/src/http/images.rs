use rocket::get;
use rocket::http::ContentType;
use souk_http::{PublicForADay, Result};
use souk_types::Error;

use crate::application::sample_catalogue;

#[get("/images/<name>")]
pub(super) fn get_image(name: &str) -> Result<PublicForADay<(ContentType, &'static [u8])>> {
    let image = sample_catalogue::image(name).ok_or_else(|| Error::not_found("image"))?;
    Ok(PublicForADay((ContentType::SVG, image)))
}
