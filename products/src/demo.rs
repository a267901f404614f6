//! The sample catalogue: a small bazaar, with a picture of each thing. It comes in through the same import as any other
//! catalogue, into an empty store only.

use common::error::Result;
use include_dir::{Dir, include_dir};

use crate::App;
use crate::import::{self, Format, Mapping, Upload};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// Loads the sample catalogue when there is no product at all. Returns how many were added.
pub async fn load_into_empty(app: &App) -> Result<usize> {
    // Products that were withdrawn are still there: who empties the shelves does not get the samples back.
    if !app.products.0.is_empty().await? {
        return Ok(0);
    }
    let catalogue = FILES.get_file("catalogue.ndjson").map(|file| file.contents().to_vec()).unwrap_or_default();
    let upload = Upload { format: Format::NdJson, bytes: catalogue };
    Ok(import::import(app, Mapping::default(), upload).await?.created)
}

/// A picture of the sample catalogue, by its file name.
#[must_use]
pub fn picture(name: &str) -> Option<&'static [u8]> {
    FILES.get_file(format!("images/{name}")).map(include_dir::File::contents)
}
