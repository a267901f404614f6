use rocket::data::{Data, FromData};
use rocket::request::{Outcome, Request};
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_http::{Content, Query, data_outcome, drain, read_body_draining};
use souk_types::{Error, Result};

use super::AdminAuth;
use crate::App;
use crate::application::imports::{FileFormat, ImportFile, ImportMapping, ImportReport};
use crate::settings::{ImportLimits, MAX_BYTES};

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

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        let admin = into_result(request.guard::<AdminAuth>().await);
        let mapping = into_result(request.guard::<Query<ImportMapping>>().await);
        let mapping = admin.and(mapping);
        let allowed = mapping.as_ref().map(|_| ()).map_err(Clone::clone);
        let limits = request.rocket().state::<App>().map(|app| app.import_limits).unwrap_or_default();
        let file = read_file(request, data, allowed, limits).await;
        data_outcome(request, mapping.and_then(|mapping| Ok(Self { mapping: mapping.0, file: file? })))
    }
}

/// Reads the file from the body of an allowed request. Drains the body of a refused request,
/// because nginx treats an instance that stops reading in the middle of a body as failed.
async fn read_file(
    request: &Request<'_>,
    data: Data<'_>,
    allowed: Result<()>,
    limits: ImportLimits,
) -> Result<ImportFile> {
    match allowed.and_then(|()| content(request)) {
        Ok((format, content)) => {
            let body = read_body_draining(data, limits.bytes, MAX_BYTES).await?;
            Ok(ImportFile { format, bytes: content.decode(body, limits.bytes).await? })
        }
        Err(error) => {
            drain(data, MAX_BYTES).await;
            Err(error)
        }
    }
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

fn into_result<T>(outcome: Outcome<T, Error>) -> Result<T> {
    match outcome {
        Outcome::Success(value) => Ok(value),
        Outcome::Error((_, error)) => Err(error),
        Outcome::Forward(status) => Err(Error::internal(format!("a guard forwards with {status}"))),
    }
}
