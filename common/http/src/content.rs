//! The headers of a request about its body (RFC 9110, section 8): media type, charset and content
//! coding. A body is read as these headers describe it, or refused with 415.

use std::io::Read;

use encoding_rs::{DecoderResult, Encoding, UTF_8};
use flate2::bufread::MultiGzDecoder;
use mediatype::{MediaType, Name, ReadParams};
use rocket::Request;
use souk_types::{Error, Result};

/// Size of an encoded or decoded body from which it is decoded on a thread for blocking work, in
/// bytes.
const BLOCKING_SIZE: u64 = 64 * 1024;

/// The coding that requests may use, for `Accept-Encoding`.
const CODING: &str = "gzip";

/// A body as its headers describe it.
pub struct Content {
    media_type: &'static str,
    has_header_line: bool,
    charset: &'static Encoding,
    is_gzip: bool,
}

impl Content {
    /// Reads the headers of a request whose body must have one of the types in `accepted`. Types
    /// have no case (RFC 9110, section 8.3.1). A `text` type may have any charset of the WHATWG
    /// Encoding Standard, other types are UTF-8.
    ///
    /// # Errors
    /// `unsupported-media-type` when the type, charset or coding is another one, or is missing.
    pub fn of(request: &Request<'_>, accepted: &[&'static str]) -> Result<Self> {
        let unaccepted = || Error::unsupported_media_type(&accepted.join(", "));
        let value = crate::header(request, "Content-Type")?.ok_or_else(unaccepted)?;
        let given = MediaType::parse(value.trim()).map_err(|_| unaccepted())?;
        let essence = given.essence().to_string();
        let accepted = accepted.iter().find(|accepted| accepted.eq_ignore_ascii_case(&essence));
        let media_type: &'static str = accepted.ok_or_else(unaccepted)?;
        let header = parameter(&given, "header")?;
        Ok(Self {
            media_type,
            has_header_line: !header.is_some_and(|header| header.eq_ignore_ascii_case("absent")),
            charset: charset(&given, media_type)?,
            is_gzip: is_gzip(request)?,
        })
    }

    /// Returns the type as the caller of [`Content::of`] wrote it.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Whether a CSV file begins with a header line: not with `header=absent` (RFC 4180, section
    /// 3).
    #[must_use]
    pub fn has_header_line(&self) -> bool {
        self.has_header_line
    }

    /// Decodes a body to UTF-8. A byte order mark overrides the charset of the header.
    ///
    /// # Errors
    /// `too-large` when the decoded body has more than `limit` bytes, `malformed` when it is not in
    /// its coding or charset.
    pub async fn decode(self, body: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
        let largest = if self.is_gzip { limit } else { body.len() as u64 };
        if largest <= BLOCKING_SIZE {
            return self.decode_now(body, limit);
        }
        let decoded = tokio::task::spawn_blocking(move || self.decode_now(body, limit)).await;
        decoded.unwrap_or_else(|error| Err(Error::internal(error)))
    }

    fn decode_now(&self, body: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
        let body = if self.is_gzip { gunzip(&body, limit)? } else { body };
        let (charset, mark) = Encoding::for_bom(&body).unwrap_or((self.charset, 0));
        let is_text = self.media_type.starts_with("text/");
        if charset == UTF_8 || !is_text { require_utf8(body) } else { to_utf8(charset, &body[mark..], limit) }
    }
}

/// Returns a parameter of a media type; fails when it is given twice.
fn parameter(given: &MediaType<'_>, name: &'static str) -> Result<Option<String>> {
    let wanted = Name::new_unchecked(name);
    let mut values = given.params().filter(|(name, _)| *name == wanted);
    let value = values.next().map(|(_, value)| value.unquoted_str().into_owned());
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Error::malformed(format!("The header Content-Type has the parameter {name} twice."))),
    }
}

fn charset(given: &MediaType<'_>, media_type: &str) -> Result<&'static Encoding> {
    let Some(label) = parameter(given, "charset")? else { return Ok(UTF_8) };
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(charset) if charset == UTF_8 || media_type.starts_with("text/") => Ok(charset),
        _ if media_type.starts_with("text/") => {
            Err(Error::unsupported_charset("UTF-8, or another charset of the WHATWG Encoding Standard"))
        }
        _ => Err(Error::unsupported_charset("UTF-8, the only charset of this type")),
    }
}

/// Whether the body is compressed. `identity` is no coding (RFC 9110, section 12.5.3), `x-gzip`
/// another name of `gzip` (section 8.4.1.3).
fn is_gzip(request: &Request<'_>) -> Result<bool> {
    let lines = request.headers().get("Content-Encoding").flat_map(|line| line.split(','));
    let codings = lines.map(str::trim).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
    match codings.collect::<Vec<_>>()[..] {
        [] => Ok(false),
        [coding] if coding.eq_ignore_ascii_case(CODING) || coding.eq_ignore_ascii_case("x-gzip") => Ok(true),
        _ => Err(Error::unsupported_coding(CODING)),
    }
}

fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(limit + 1);
    decoder.read_to_end(&mut plain).map_err(|_| Error::malformed("The body is not in the coding gzip."))?;
    if plain.len() as u64 > limit { Err(Error::too_large(limit)) } else { Ok(plain) }
}

fn require_utf8(body: Vec<u8>) -> Result<Vec<u8>> {
    let Err(error) = std::str::from_utf8(&body) else { return Ok(body) };
    let line = body[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
    Err(Error::malformed(format!("The body is not in the charset UTF-8: see line {line}.")))
}

fn to_utf8(charset: &'static Encoding, body: &[u8], limit: u64) -> Result<Vec<u8>> {
    let mut decoder = charset.new_decoder_without_bom_handling();
    let largest = decoder.max_utf8_buffer_length_without_replacement(body.len()).unwrap_or(usize::MAX);
    // Decoding stops when the capacity is used up. It needs a few bytes more than it writes.
    let mut text = String::with_capacity(largest.min(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(16)));
    match decoder.decode_to_string_without_replacement(body, &mut text, true) {
        (DecoderResult::InputEmpty, _) if text.len() as u64 <= limit => Ok(text.into_bytes()),
        (DecoderResult::InputEmpty | DecoderResult::OutputFull, _) => Err(Error::too_large(limit)),
        (DecoderResult::Malformed(..), _) => {
            Err(Error::malformed(format!("The body is not in the charset {}.", charset.name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rocket::http::Header;
    use rocket::local::asynchronous::Client;
    use souk_types::ErrorKind;

    use super::*;

    const ACCEPTED: [&str; 3] = ["text/csv", "application/json", "application/x-ndjson"];
    const LIMIT: u64 = 100;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// Returns the type and the decoded body.
    async fn read(headers: &[(&'static str, &'static str)], body: &[u8]) -> Result<(&'static str, Vec<u8>)> {
        let client = Client::untracked(crate::rocket([127, 0, 0, 1].into(), 0)).await.unwrap();
        let mut request = client.post("/");
        for (name, value) in headers {
            request.add_header(Header::new(*name, *value));
        }
        let content = Content::of(request.inner(), &ACCEPTED)?;
        Ok((content.media_type(), content.decode(body.to_vec(), LIMIT).await?))
    }

    #[rocket::async_test]
    async fn a_type_is_read_as_its_grammar_says() {
        for (value, media_type) in [
            ("text/csv", "text/csv"),
            ("TEXT/CSV", "text/csv"),
            ("Application/JSON", "application/json"),
            (" text/csv ", "text/csv"),
            ("text/csv;charset=utf-8", "text/csv"),
            ("text/csv ; charset=UTF-8", "text/csv"),
            ("text/csv\t;\tCharset=\"UTF-8\"", "text/csv"),
            ("text/csv; header=present; charset=\"u\\tf-8\"", "text/csv"),
            ("application/json; charset=utf8", "application/json"),
            ("application/x-ndjson;", "application/x-ndjson"),
        ] {
            let (read, _) = read(&[("Content-Type", value)], b"").await.unwrap_or_else(|e| panic!("{value}: {e}"));
            assert_eq!(read, media_type, "{value}");
        }
        for value in
            ["", "csv", "text", "text/", "/csv", "text/*", "*/*", "text/csvx", "text/csv, text/csv", "text/csv x"]
        {
            let error = read(&[("Content-Type", value)], b"").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedMediaType, "{value}");
            assert_eq!(error.members()["accept"], "text/csv, application/json, application/x-ndjson", "{value}");
        }
        assert_eq!(read(&[], b"").await.unwrap_err().kind(), ErrorKind::UnsupportedMediaType);
        for twice in [
            &[("Content-Type", "text/csv"), ("Content-Type", "text/csv")][..],
            &[("Content-Type", "text/csv; charset=utf-8; charset=utf-16")],
        ] {
            assert_eq!(read(twice, b"").await.unwrap_err().kind(), ErrorKind::Malformed, "{twice:?}");
        }
    }

    #[rocket::async_test]
    async fn a_text_is_decoded_from_its_charset() {
        for (value, body, text) in [
            ("text/csv", "Café".as_bytes(), "Café"),
            ("text/csv; charset=utf-8", "Café".as_bytes(), "Café"),
            ("text/csv; charset=windows-1252", b"Caf\xe9 \x80", "Café €"),
            ("text/csv; charset=ISO-8859-1", b"Caf\xe9", "Café"),
            ("text/csv; charset=\"windows-1251\"", b"\xd7\xe0\xe9", "Чай"),
            ("text/csv; charset=shift_jis", b"\x93\xfa\x96{\x92\x83", "日本茶"),
            ("text/csv; charset=utf-16le", b"C\0a\0f\0\xe9\0", "Café"),
            // The byte order mark decides.
            ("text/csv", b"\xff\xfeC\0a\0f\0\xe9\0", "Café"),
            ("text/csv; charset=windows-1252", b"\xef\xbb\xbfCaf\xc3\xa9", "\u{feff}Café"),
            ("text/csv; charset=utf-8", b"\xfe\xff\0C\0a\0f\0\xe9", "Café"),
        ] {
            let (_, decoded) = read(&[("Content-Type", value)], body).await.unwrap();
            assert_eq!(String::from_utf8(decoded).unwrap(), text, "{value} {body:?}");
        }
        for (value, body, kind) in [
            ("text/csv; charset=utf-7", &b"x"[..], ErrorKind::UnsupportedMediaType),
            ("text/csv; charset=hz-gb-2312", b"x", ErrorKind::UnsupportedMediaType),
            ("text/csv; charset=", b"x", ErrorKind::UnsupportedMediaType),
            ("text/csv; charset=nonsense", b"x", ErrorKind::UnsupportedMediaType),
            ("application/json; charset=windows-1252", b"{}", ErrorKind::UnsupportedMediaType),
            ("application/json; charset=utf-16", b"{}", ErrorKind::UnsupportedMediaType),
            ("application/x-ndjson; charset=latin1", b"{}", ErrorKind::UnsupportedMediaType),
            ("text/csv; charset=shift_jis", b"\x93", ErrorKind::Malformed),
            ("text/csv", b"a\nb\xff", ErrorKind::Malformed),
            ("application/x-ndjson", b"{}\n\xff", ErrorKind::Malformed),
            ("application/json", b"{\"a\":\"\xff\"}", ErrorKind::Malformed),
            ("text/csv; charset=utf-16le", b"\0\xd8x\0", ErrorKind::Malformed),
            ("text/csv; charset=windows-1252", &[0xe9; 51], ErrorKind::TooLarge),
        ] {
            let error = read(&[("Content-Type", value)], body).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{value} {error}");
        }
        assert_eq!(
            read(&[("Content-Type", "text/csv; charset=windows-1252")], &[0xe9; 50]).await.unwrap().1.len(),
            100
        );
    }

    #[rocket::async_test]
    async fn a_compressed_body_is_decompressed_up_to_the_limit() {
        let csv = ("Content-Type", "text/csv");
        let zipped = gzip(b"plain");
        for codings in
            [&["gzip"][..], &["GZIP"], &["x-gzip"], &["identity, gzip"], &["identity", "", "gzip"], &[", gzip ,"]]
        {
            let headers: Vec<_> = [csv].into_iter().chain(codings.iter().map(|c| ("Content-Encoding", *c))).collect();
            assert_eq!(read(&headers, &zipped).await.unwrap().1, b"plain", "{codings:?}");
        }
        for coding in ["", "identity", "Identity, identity"] {
            assert_eq!(read(&[csv, ("Content-Encoding", coding)], b"plain").await.unwrap().1, b"plain", "{coding}");
        }
        for codings in
            [&["br"][..], &["deflate"], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"], &["gzip, br"], &["gzip;q=1"]]
        {
            let headers: Vec<_> = [csv].into_iter().chain(codings.iter().map(|c| ("Content-Encoding", *c))).collect();
            let error = read(&headers, &zipped).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedMediaType, "{codings:?}");
            assert_eq!(error.members()["accept_encoding"], "gzip", "{codings:?}");
        }
        let two_members = [gzip(b"a"), gzip(b"b")].concat();
        let headers = [csv, ("Content-Encoding", "gzip")];
        assert_eq!(read(&headers, &two_members).await.unwrap().1, b"ab");
        let (cut, trailing) = (&zipped[..zipped.len() - 1], [&zipped[..], b"x"].concat());
        for body in [&b"plain"[..], cut, &trailing, b""] {
            assert_eq!(read(&headers, body).await.unwrap_err().kind(), ErrorKind::Malformed, "{body:?}");
        }
        assert_eq!(read(&headers, &gzip(&[0; 100])).await.unwrap().1.len(), 100);
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(read(&headers, &bomb).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let text = [csv, ("Content-Encoding", "gzip")];
        assert_eq!(read(&text, &gzip(b"\xff\xfe\xe9\0")).await.unwrap().1, "é".as_bytes());
    }
}
