//! The fields of a form that a page of this shop has sent.

use rocket::data::{Data, FromData, Outcome};
use rocket::{Request, http::Status};
use souk_contract::api::MAX_REQUEST_BODY;
use souk_http::Body;
use souk_types::{Error, Result};

use crate::csrf;

/// The name of the hidden field with the token against forged requests.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// The fields of a form (`application/x-www-form-urlencoded`). Every route that changes something
/// takes one: as a data guard, it refuses a form that another site has sent ([`csrf`]).
pub(crate) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Returns the value of a field without white space at its ends; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim())
    }

    /// Returns the value of a field, exactly as it was sent: for passwords.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Returns the value of a field, if it is not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Returns all values of a field, such as check boxes of one name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields().filter(move |(given, _)| *given == name).map(|(_, value)| value.trim())
    }

    /// Returns names and values in the order of the form.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn parse(body: &[u8]) -> Self {
        Self { fields: url::form_urlencoded::parse(body).into_owned().collect() }
    }

    /// Returns a form with these names and values.
    pub(crate) fn of_fields(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// Errors: no page of this shop has sent the form. The error page then says so.
    pub(crate) fn require_genuine(&self, request: &Request<'_>) -> Result<()> {
        if csrf::is_genuine(request, self.get(CSRF_FIELD)) {
            return Ok(());
        }
        request.local_cache(|| IsForged(true));
        Err(Error::forbidden("No page of this shop has sent the form."))
    }
}

/// Why a form was refused, in the request's local cache, for the error page.
#[derive(Default)]
pub(crate) struct IsForged(pub(crate) bool);

#[rocket::async_trait]
impl<'r> FromData<'r> for Form {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> Outcome<'r, Self> {
        let body = match Body::of(request).read(MAX_REQUEST_BODY).await {
            Ok(body) => body,
            Err(error) => {
                return souk_http::data_outcome::<Self>(request, Err(error)).map_error(|(status, _)| (status, ()));
            }
        };
        let form = Self::parse(&body);
        match form.require_genuine(request) {
            Ok(()) => Outcome::Success(form),
            Err(_) => Outcome::Error((Status::Forbidden, ())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let form = Form::parse(b"q=green+tea&name=%20M%C3%BCller%20&empty=&q=other");
        assert_eq!((form.get("q"), form.get("name"), form.raw("name")), ("green tea", "Müller", " Müller "));
        assert_eq!((form.optional("empty"), form.optional("missing"), form.get("missing")), (None, None, ""));
        assert_eq!((form.fields().count(), form.all("q").collect::<Vec<_>>()), (4, vec!["green tea", "other"]));
    }
}
