//! Forms that carry a file (`multipart/form-data`, RFC 7578).

use std::convert::Infallible;

use futures_util::stream;
use multer::{Multipart, parse_boundary};
use rocket::Request;
use rocket::request::{FromRequest, Outcome};
use souk_contract::api::{MAX_FILE, MAX_REQUEST_BODY};
use souk_http::Body;
use souk_types::{Error, Result};

use crate::api::{self, Problem};
use crate::form::Form;

/// The name of the field with the file.
pub(crate) const FILE_FIELD: &str = "file";

/// Most parts of a form. The forms of pages have fewer than ten.
const MAX_PARTS: usize = 100;

/// Request guard: a form with a file, whose body has not been read. A route reads it after it has
/// confirmed who sends it, so that only staff can upload anything.
pub(crate) struct Upload<'r>(&'r Request<'r>);

/// A form with its file.
pub(crate) struct UploadedForm {
    pub(crate) form: Form,
    /// Empty when no file was chosen.
    pub(crate) file: Vec<u8>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Upload<'r> {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(Self(request))
    }
}

impl Upload<'_> {
    /// Reads the form. Errors: another site has sent it; `too-large` for a file of more than
    /// [`MAX_FILE`] bytes; `malformed`; the body does not arrive.
    pub(crate) async fn read(self) -> api::Result<UploadedForm> {
        self.try_read().await.map_err(|error| Problem::of_request(&error))
    }

    async fn try_read(self) -> Result<UploadedForm> {
        let content_type = self.0.headers().get_one("Content-Type").unwrap_or_default();
        let boundary =
            parse_boundary(content_type).map_err(|_| Error::unsupported_media_type("multipart/form-data"))?;
        let body = Body::of(self.0).read(MAX_FILE as u64 + MAX_REQUEST_BODY).await?;
        let uploaded = parse(body, boundary).await?;
        uploaded.form.require_genuine(self.0)?;
        Ok(uploaded)
    }
}

async fn parse(body: Vec<u8>, boundary: String) -> Result<UploadedForm> {
    let malformed = |error: multer::Error| Error::malformed("The form cannot be read.").caused_by(error);
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let mut parts = Multipart::new(body, boundary);
    let (mut fields, mut file) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PARTS {
        let Some(part) = parts.next_field().await.map_err(malformed)? else {
            return Ok(UploadedForm { form: Form::of_fields(fields), file });
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

    async fn parsed(body: Vec<u8>) -> Result<UploadedForm> {
        parse(body, "b".to_owned()).await
    }

    #[rocket::async_test]
    async fn a_form_has_its_fields_and_its_file() {
        let file = b"\x89PNG\r\n\x1a\n\0\r\n--c\r\n";
        let uploaded = parsed(body(&[("name", "Grüner Tee".as_bytes()), (FILE_FIELD, file)])).await.unwrap();
        assert_eq!((uploaded.form.get("name"), &uploaded.file[..]), ("Grüner Tee", &file[..]));
        let without_file = parsed(body(&[(CSRF_FIELD, b"t"), (FILE_FIELD, b"")])).await.unwrap();
        assert_eq!((without_file.form.get(CSRF_FIELD), without_file.file.len()), ("t", 0));
    }

    #[rocket::async_test]
    async fn a_form_is_bounded_and_whole() {
        let largest = vec![0; MAX_FILE];
        assert_eq!(parsed(body(&[(FILE_FIELD, &largest)])).await.unwrap().file.len(), MAX_FILE);
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
            if let Ok(uploaded) = runtime.block_on(parsed(body)) {
                let fields: usize = uploaded.form.fields().map(|(name, value)| name.len() + value.len()).sum();
                // A byte that is no UTF-8 becomes a letter of three bytes.
                prop_assert!(fields + uploaded.file.len() <= 3 * length);
            }
        }
    }
}
