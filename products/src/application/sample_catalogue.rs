//! The sample catalogue with its images. It is imported like any other file, and only into an empty
//! database.

use std::time::Duration;

use include_dir::{Dir, include_dir};
use souk_types::Result;

use super::imports::{FileFormat, ImportFile, ImportMapping, Importer};

/// Pause between two attempts. A database takes a few seconds to start.
const RETRY_DELAY: Duration = Duration::from_secs(1);

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sample_catalogue");

/// Loads the sample catalogue unless the database has any product. Returns the number of new
/// products.
pub async fn load_if_empty(importer: &Importer) -> Result<usize> {
    if !importer.products().is_empty().await? {
        return Ok(0);
    }
    let bytes = FILES.get_file("catalogue.ndjson").map(|file| file.contents().to_vec()).unwrap_or_default();
    let file = ImportFile { format: FileFormat::NdJson, bytes };
    Ok(importer.import(ImportMapping::default(), file).await?.created)
}

/// Loads the sample catalogue in the background, as soon as the database is available. Several
/// instances may do so at the same time: each product is created once.
pub fn spawn_load(importer: Importer) {
    tokio::spawn(async move {
        loop {
            match load_if_empty(&importer).await {
                Ok(created) => return tracing::info!(created, "loaded the sample catalogue"),
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "loading the sample catalogue failed and will be repeated");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(error) => return error.log("the sample catalogue cannot be loaded"),
            }
        }
    });
}

/// Returns an image of the sample catalogue by its file name.
#[must_use]
pub fn image(name: &str) -> Option<&'static [u8]> {
    FILES.get_file(format!("images/{name}")).map(include_dir::File::contents)
}
