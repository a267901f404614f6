//! A URL with a user and a password, as `AMQP_URL` and `MONGODB_URI` have them.

/// Ends the name of the second user of a service. The bus knows a service by what is before the
/// dot.
const SECOND: &str = ".2";

/// A URL with a user and a password, such as `amqp://customer:secret@rabbitmq:5672/%2f`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CredentialUrl {
    scheme: String,
    user: String,
    password: String,
    /// What follows `@`.
    rest: String,
}

impl CredentialUrl {
    /// Errors: the text has no user and password, or a user with characters that a URL encodes. The
    /// message does not contain the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let without = || "it names no user and password".to_owned();
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(without)?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let (credential, host) = authority.rsplit_once('@').ok_or_else(without)?;
        let (user, password) = credential.split_once(':').ok_or_else(without)?;
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        if user.is_empty() || !user.chars().all(is_plain) {
            return Err("its user has characters other than letters, digits, '.', '_' and '-'".to_owned());
        }
        let rest = format!("{host}{}", &rest[authority.len()..]);
        Ok(Self { scheme: scheme.to_owned(), user: user.to_owned(), password: password.to_owned(), rest })
    }

    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password as the URL encodes it.
    pub(super) fn encoded_password(&self) -> &str {
        &self.password
    }

    /// Returns the other one of a service's two users: `customer.2` of `customer`, and back.
    pub(super) fn other_user(&self) -> String {
        self.user.strip_suffix(SECOND).map_or_else(|| format!("{}{SECOND}", self.user), str::to_owned)
    }

    /// Returns the URL with another user. `password` must need no encoding.
    pub(super) fn with(&self, user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), ..self.clone() }
    }

    pub(super) fn text(&self) -> String {
        format!("{}://{}:{}@{}", self.scheme, self.user, self.password, self.rest)
    }

    /// Returns the host of a URL with one host: an address in brackets, if it is an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let authority = self.rest.split('/').next().unwrap_or_default();
        match authority.split_once(']') {
            Some((address, _)) => &authority[..=address.len()],
            None => authority.split(':').next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_two_users() {
        let url = CredentialUrl::parse("amqp://customer:secret@rabbitmq:5672/%2f\n").unwrap();
        assert_eq!((url.user(), &*url.other_user()), ("customer", "customer.2"));
        let second = url.with(&url.other_user(), "new");
        assert_eq!(second.text(), "amqp://customer.2:new@rabbitmq:5672/%2f");
        assert_eq!(CredentialUrl::parse(&second.text()).unwrap().other_user(), "customer");
    }

    #[test]
    fn all_forms_of_addresses_are_read() {
        for (text, host) in [
            ("amqp://eu.customer:p%40ss@rabbitmq:5672/%2f", "rabbitmq"),
            ("amqps://customer:x@[::1]:5671", "[::1]"),
            ("mongodb://customer:x@a:1,b:2/?replicaSet=rs0&authSource=admin", "a"),
            ("srv://customer:x@_mongodb._tcp.db.example/shop?dns=127.0.0.1:53", "_mongodb._tcp.db.example"),
        ] {
            let url = CredentialUrl::parse(text).unwrap();
            assert_eq!(url.host(), host, "{text}");
            assert_eq!(url.text(), text);
        }
    }

    #[test]
    fn an_unreadable_url_is_not_repeated() {
        for text in
            ["", "customer:secret@rabbitmq", "amqp://rabbitmq/secret", "amqp://secret@rabbitmq", "amqp://a%40:secret@b"]
        {
            let why = CredentialUrl::parse(text).map(|url| url.text()).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
