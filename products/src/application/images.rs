//! Images that staff upload for products.

use std::sync::Arc;

use serde::Serialize;
use souk_contract::image::ImageName;
use souk_types::{Error, Result};

use crate::App;
use crate::domain::uploaded_image::UploadedImage;

/// Uploads that arrive or wait at once, of 8 MiB each. More are refused.
pub(crate) const MAX_UPLOADS: usize = 4;

/// A stored image, as the response to its upload.
#[derive(Debug, Serialize)]
pub(crate) struct ImageView {
    /// The path of its largest size, for the field `image` of a product.
    pub(crate) image: String,
    /// Of the largest size, in pixels.
    width: u32,
    /// Of the largest size, in pixels.
    height: u32,
}

/// Stores an image in all sizes. The same file has the same result. Errors: those of
/// [`UploadedImage::read`].
pub(crate) async fn upload(app: &App, file: Vec<u8>) -> Result<ImageView> {
    // One at a time: a photo takes up to 300 MB while it is decoded. The thread releases the lock,
    // because it goes on when the request has run out of time.
    let lock = Arc::clone(&app.image_lock).lock_owned().await;
    let read = move || {
        let image = UploadedImage::read(&file);
        drop(lock);
        image
    };
    let image = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
    for (name, jpeg) in &image.sizes {
        app.images.insert(*name, jpeg).await?;
    }
    Ok(ImageView { image: image.sizes[0].0.path(), width: image.width, height: image.height })
}

/// Returns an uploaded image as JPEG. Errors: `not-found`.
pub(crate) async fn get(app: &App, name: &str) -> Result<Vec<u8>> {
    let not_found = || Error::not_found("image");
    let name: ImageName = name.parse().map_err(|_| not_found())?;
    app.images.get(name).await?.ok_or_else(not_found)
}
