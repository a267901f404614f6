//! The key in a form that makes a repeated request do its work once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use souk_types::Error;

use crate::form::Form;

/// The name of the hidden field with the key.
const KEY_FIELD: &str = "key";

/// The longest key, in characters.
const MAX_KEY: usize = 64;

/// Returns a key that no other form has. Errors: no random numbers.
pub(crate) fn new_key() -> Result<String, Error> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the key of a form, or a new one when it has none that can be sent. Errors: no random
/// numbers.
pub(crate) fn key_of(form: &Form) -> Result<String, Error> {
    let key = form.get(KEY_FIELD);
    let is_key = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_key { Ok(key.to_owned()) } else { new_key() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_its_key() {
        assert_eq!(key_of(&Form::parse(b"key=abc")).unwrap(), "abc");
        for bad in [&b"key="[..], b"other=abc", b"key=a%20b", b"key=%C3%A4"] {
            assert_eq!(key_of(&Form::parse(bad)).unwrap().len(), 24);
        }
        assert_ne!(new_key().unwrap(), new_key().unwrap());
    }
}
