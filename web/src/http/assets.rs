//! The embedded files.

use rocket::Request;
use rocket::get;
use rocket::http::ContentType;
use rocket::response::{self, Responder, Response};

use crate::assets;

/// The URL has the hash of the content, so a cache never asks again.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The URL has the hash of another release.
const NEVER: &str = "no-store";

/// An embedded file, and how long caches keep it.
pub(super) struct File(ContentType, &'static [u8], &'static str);

impl<'r> Responder<'r, 'static> for File {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Response::build_from((self.0, self.1).respond_to(request)?).raw_header("Cache-Control", self.2).ok()
    }
}

#[get("/assets/<hash>/<name>")]
pub(super) fn get(hash: &str, name: &str) -> Option<File> {
    let (asset, is_own) = assets::named(hash, name)?;
    Some(File(asset.content_type.clone(), &asset.content, if is_own { FOREVER } else { NEVER }))
}
