//! The sample catalogue: a small bazaar, with a picture of each thing. It comes in through the same import as any other
//! catalogue, into an empty store only.

use std::time::Duration;

use include_dir::{Dir, include_dir};
use souk_types::Result;

use crate::application::imports::{Importer, Upload};
use crate::domain::import_mapping::ImportMapping;
use crate::domain::import_rows::Format;

/// A database that is being started takes a few seconds.
const AGAIN: Duration = Duration::from_secs(1);

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// Loads the sample catalogue when there is no product at all. Returns how many were added.
pub async fn load_into_empty(catalogue: &Importer) -> Result<usize> {
    // Products that were withdrawn are still there: who empties the shelves does not get the samples back.
    if !catalogue.products().0.is_empty().await? {
        return Ok(0);
    }
    let file = FILES.get_file("catalogue.ndjson").map(|file| file.contents().to_vec()).unwrap_or_default();
    let upload = Upload { format: Format::NdJson, bytes: file };
    Ok(catalogue.import(ImportMapping::default(), upload).await?.created)
}

/// As [`load_into_empty`], as soon as the database is there; until then it is tried again. Instances that do it at the same time
/// add each product once.
pub fn load_in_time(catalogue: Importer) {
    tokio::spawn(async move {
        loop {
            match load_into_empty(&catalogue).await {
                Ok(loaded) => return tracing::info!(loaded, "the sample catalogue is on the shelves"),
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "the sample catalogue has to wait");
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return error.log("the sample catalogue cannot be loaded"),
            }
        }
    });
}

/// A picture of the sample catalogue, by its file name.
#[must_use]
pub fn picture(name: &str) -> Option<&'static [u8]> {
    FILES.get_file(format!("images/{name}")).map(include_dir::File::contents)
}
