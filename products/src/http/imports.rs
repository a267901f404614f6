use rocket::data::{Data, FromData};
use rocket::request::Request;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_http::auth::permission::ManageCatalogue;
use souk_http::{Body, Content, Query, data_outcome};
use souk_types::{Error, Result};

use super::{Staff, into_result};
use crate::App;
use crate::application::imports::{FileFormat, ImportFile, ImportMapping, ImportReport};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

#[post("/import", data = "<request>")]
pub(super) async fn import(app: &State<App>, request: ImportRequest) -> souk_http::Result<JsonResponse<ImportReport>> {
    Ok(JsonResponse(app.importer().import(request.mapping, request.file).await?))
}

pub(super) struct ImportRequest {
    mapping: ImportMapping,
    file: ImportFile,
}

#[rocket::async_trait]
impl<'r> FromData<'r> for ImportRequest {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        data_outcome(request, read(request).await)
    }
}

/// Checks everything else before the body, which only admins may send and which can take minutes.
async fn read(request: &Request<'_>) -> Result<ImportRequest> {
    into_result(request.guard::<Staff<ManageCatalogue>>().await)?;
    let Query(mapping) = into_result(request.guard::<Query<ImportMapping>>().await)?;
    let (format, content) = content(request)?;
    let limits = request.rocket().state::<App>().map(|app| app.import_limits).unwrap_or_default();
    let body = Body::of(request).read(limits.bytes).await?;
    Ok(ImportRequest { mapping, file: ImportFile { format, bytes: content.decode(body, limits.bytes).await? } })
}

fn content(request: &Request<'_>) -> Result<(FileFormat, Content)> {
    let content = Content::of(request, &[CSV, NDJSON, "application/ndjson"])?;
    let format = if content.media_type() == CSV { FileFormat::Csv } else { FileFormat::NdJson };
    match format {
        FileFormat::Csv if !content.has_header_line() => {
            Err(Error::unsupported_media_type(&format!("{CSV}; header=present, {NDJSON}")))
        }
        format => Ok((format, content)),
    }
}
