//! Forms that carry a file (`multipart/form-data`, RFC 7578).

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream;
use multer::{Multipart, parse_boundary};
use rocket::Request;
use rocket::request::{FromRequest, Outcome};
use souk_contract::api::{MAX_FILE, MAX_REQUEST_BODY};
use souk_http::Body;
use souk_types::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{self, Problem};
use crate::app::App;
use crate::form::Form;

/// The name of the field with the file.
pub(crate) const FILE_FIELD: &str = "file";

/// Most parts of a form. The forms of pages have fewer than ten.
const MAX_PARTS: usize = 100;

/// Files that arrive, or are on their way to a service, at once. One of 8 MiB takes 50 MB. Further
/// ones wait.
const MAX_UPLOADS: usize = 2;

/// The limit of files that arrive or are on their way.
#[derive(Clone)]
pub(crate) struct UploadLimit(Arc<Semaphore>);

impl Default for UploadLimit {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_UPLOADS)))
    }
}

/// Request guard: a form with a file, whose body has not been read. A route reads it after it has
/// confirmed who sends it, so that only staff can upload anything.
pub(crate) struct Upload<'r> {
    request: &'r Request<'r>,
    limit: UploadLimit,
}

/// A form with its file.
pub(crate) struct UploadedForm {
    pub(crate) form: Form,
    /// Empty when no file was chosen.
    pub(crate) file: Vec<u8>,
    /// Of the limit of files, until the response.
    pub(crate) permit: OwnedSemaphorePermit,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Upload<'r> {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let limit = request.rocket().state::<App>().map(|app| app.uploads.clone()).unwrap_or_default();
        Outcome::Success(Self { request, limit })
    }
}

impl Upload<'_> {
    /// Reads the form. Errors: another site has sent it; `too-large` for a file of more than
    /// [`MAX_FILE`] bytes; `malformed`; the body does not arrive.
    pub(crate) async fn read(self) -> api::Result<UploadedForm> {
        self.try_read().await.map_err(|error| Problem::of_request(&error))
    }

    async fn try_read(self) -> Result<UploadedForm> {
        let content_type = self.request.headers().get_one("Content-Type").unwrap_or_default();
        let boundary =
            parse_boundary(content_type).map_err(|_| Error::unsupported_media_type("multipart/form-data"))?;
        let permit = self.limit.0.acquire_owned().await.map_err(Error::internal)?;
        let body = Body::of(self.request).read(MAX_FILE as u64 + MAX_REQUEST_BODY).await?;
        let (form, file) = parse(body, boundary).await?;
        form.require_genuine(self.request)?;
        Ok(UploadedForm { form, file, permit })
    }
}

async fn parse(body: Vec<u8>, boundary: String) -> Result<(Form, Vec<u8>)> {
    let malformed = |error: multer::Error| Error::malformed("The form cannot be read.").caused_by(error);
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let mut parts = Multipart::new(body, boundary);
    let (mut fields, mut file) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PARTS {
        let Some(part) = parts.next_field().await.map_err(malformed)? else {
            return Ok((Form::of_fields(fields), file));
        };
        let name = part.name().unwrap_or_default().to_owned();
        if name == FILE_FIELD {
            file = part.bytes().await.map_err(malformed)?.into();
            if file.len() > MAX_FILE {
                return Err(Error::too_large(MAX_FILE as u64));
            }
        } else {
            fields.push((name, part.text().await.map_err(malformed)?));
        }
    }
    Err(Error::malformed(format!("The form has more than {MAX_PARTS} parts.")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::form::CSRF_FIELD;

    fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, content) in parts {
            body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--b--\r\n");
        body
    }

    async fn parsed(body: Vec<u8>) -> Result<(Form, Vec<u8>)> {
        parse(body, "b".to_owned()).await
    }

    #[rocket::async_test]
    async fn a_form_has_its_fields_and_its_file() {
        let file = b"\x89PNG\r\n\x1a\n\0\r\n--c\r\n";
        let (form, chosen) = parsed(body(&[("name", "Grüner Tee".as_bytes()), (FILE_FIELD, file)])).await.unwrap();
        assert_eq!((form.get("name"), &chosen[..]), ("Grüner Tee", &file[..]));
        let (form, chosen) = parsed(body(&[(CSRF_FIELD, b"t"), (FILE_FIELD, b"")])).await.unwrap();
        assert_eq!((form.get(CSRF_FIELD), chosen.len()), ("t", 0));
    }

    #[rocket::async_test]
    async fn a_form_is_bounded_and_whole() {
        let largest = vec![0; MAX_FILE];
        assert_eq!(parsed(body(&[(FILE_FIELD, &largest)])).await.unwrap().1.len(), MAX_FILE);
        let larger = vec![0; MAX_FILE + 1];
        let many = vec![("a", &b"b"[..]); MAX_PARTS];
        for (body, code) in [
            (body(&[(FILE_FIELD, &larger)]), "too-large"),
            (body(&many), "malformed"),
            (body(&[(FILE_FIELD, b"x")])[..55].to_vec(), "malformed"),
            (b"--b\r\nContent-Disposition: form-data; name=\"a\"".to_vec(), "malformed"),
            (Vec::new(), "malformed"),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let refused = parsed(body).await.err().map(|error| error.code().to_owned());
            assert_eq!(refused.as_deref(), Some(code), "{shown:?}");
        }
    }

    proptest! {
        #![proptest_config(mutations::config())]

        #[test]
        fn any_bytes_are_a_form_or_an_error(body in mutations::bytes(&[
            &body(&[("csrf", b"token"), ("name", "Grüner Tee".as_bytes()), (FILE_FIELD, b"\x89PNG\r\n\0")]),
        ])) {
            let length = body.len();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            if let Ok((form, file)) = runtime.block_on(parsed(body)) {
                let fields: usize = form.fields().map(|(name, value)| name.len() + value.len()).sum();
                // A byte that is no UTF-8 becomes a letter of three bytes.
                prop_assert!(fields + file.len() <= 3 * length);
            }
        }
    }
}
