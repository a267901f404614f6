//! Sends mails through an SMTP server.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use souk_types::{Error, Result};
use url::{Host, Url};

use crate::domain::mail::Failure;

/// Timeout of each SMTP command, and of the connection.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a mail. Shorter than the lease on an attempt.
const SEND_TIMEOUT: Duration = Duration::from_secs(40);
/// Connections to the server: as many as an instance sends mails at the same time, first attempts
/// and those of the background job.
const CONNECTIONS: u32 = 8;
/// Statuses that refuse this service and not the mail: wrong or missing credentials, no TLS
/// (RFC 4954, section 6; RFC 3207, section 4). They end when the operator corrects the settings.
const SERVICE_REFUSED: [&str; 5] = ["530", "534", "535", "538", "523"];

/// The protection of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// TLS from the first byte: `smtps://`.
    Implicit,
    /// STARTTLS, which the server must offer: `smtp://...?tls=required`.
    Required,
    /// None: `smtp://`.
    Off,
}

/// The address of an SMTP server: `smtps://user:password@mail.example.com`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SmtpServer {
    host: String,
    port: u16,
    tls: Tls,
    username: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for SmtpServer {
    /// Hides the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

impl FromStr for SmtpServer {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        const FORM: &str = "must be a URL such as smtps://user:password@mail.example.com or \
                            smtp://mail.example.com:587?tls=required";
        let url = Url::parse(text).map_err(|_| FORM)?;
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let tls = match (url.scheme(), &query[..]) {
            ("smtps", []) => Tls::Implicit,
            ("smtp", [(name, value)]) if name == "tls" && value == "required" => Tls::Required,
            ("smtp", []) => Tls::Off,
            _ => return Err(FORM),
        };
        let port = match tls {
            Tls::Implicit => smtp::SUBMISSIONS_PORT,
            Tls::Required => smtp::SUBMISSION_PORT,
            Tls::Off => smtp::SMTP_PORT,
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(FORM);
        }
        let decoded = |text: &str| decode(text).ok_or("has a user or password that is not percent-encoded UTF-8");
        Ok(Self {
            host: url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?.to_owned(),
            port: url.port().unwrap_or(port),
            tls,
            username: Some(url.username()).filter(|name| !name.is_empty()).map(decoded).transpose()?,
            password: url.password().map(decoded).transpose()?,
        })
    }
}

/// Decodes percent-encoded text. In the query of a URL, a plus sign means a space, so it is encoded
/// first.
fn decode(text: &str) -> Option<String> {
    let pairs = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut url = Url::parse("x:/").ok()?;
    url.set_query(Some(&pairs));
    let value = url.query_pairs().next()?.1.into_owned();
    (!value.contains(char::REPLACEMENT_CHARACTER)).then_some(value)
}

impl SmtpServer {
    /// Sets the credentials that variables of their own give.
    ///
    /// # Errors
    /// The credentials are incomplete, given twice, or would be sent over an open network.
    pub(crate) fn with_credentials(
        mut self,
        username: Option<String>,
        password: Option<String>,
    ) -> std::result::Result<Self, &'static str> {
        if (self.username.is_some() && username.is_some()) || (self.password.is_some() && password.is_some()) {
            return Err("the credentials of the SMTP server are both in SMTP_URL and in variables: choose one");
        }
        self.username = self.username.or(username);
        self.password = self.password.or(password);
        if self.username.is_some() != self.password.is_some() {
            return Err("an SMTP user needs a password, and a password a user");
        }
        if self.password.is_some() && self.tls == Tls::Off && !self.is_local() {
            return Err("SMTP_URL would send the password without encryption: use smtps:// or ?tls=required");
        }
        Ok(self)
    }

    fn is_local(&self) -> bool {
        match Host::parse(&self.host) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => false,
        }
    }
}

/// Connections to an SMTP server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    pub(crate) fn new(server: SmtpServer) -> Result<Self> {
        type Transport = AsyncSmtpTransport<Tokio1Executor>;
        let host = server.host.as_str();
        let builder = match server.tls {
            Tls::Implicit => Transport::relay(host),
            Tls::Required => Transport::starttls_relay(host),
            Tls::Off => Ok(Transport::builder_dangerous(host)),
        };
        let mut builder = builder.map_err(Error::internal)?.port(server.port).timeout(Some(COMMAND_TIMEOUT));
        if let (Some(username), Some(password)) = (server.username, server.password) {
            builder = builder.credentials(Credentials::new(username, password));
        }
        Ok(Self(builder.pool_config(PoolConfig::new().max_size(CONNECTIONS)).build()))
    }

    pub(crate) async fn send(&self, message: Message) -> std::result::Result<(), Failure> {
        match tokio::time::timeout(SEND_TIMEOUT, self.0.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::transient(format!("the SMTP server did not finish within {SEND_TIMEOUT:?}"))),
        }
    }
}

fn failure(error: &smtp::Error) -> Failure {
    let Some(status) = error.status().map(|code| code.to_string()) else {
        return Failure::transient(format!("the SMTP server is not available: {error}"));
    };
    let is_permanent = error.is_permanent() && !SERVICE_REFUSED.contains(&&*status);
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Failure {
        is_permanent,
        summary: format!("the SMTP server answered {status}"),
        detail: format!("the SMTP server answered {status} {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, tls: Tls, credentials: Option<(&str, &str)>) -> SmtpServer {
        let (username, password) = credentials.map(|(user, password)| (user.to_owned(), password.to_owned())).unzip();
        SmtpServer { host: host.to_owned(), port, tls, username, password }
    }

    #[test]
    fn a_server_is_named_by_a_url() {
        for (url, expected) in [
            ("smtps://mail.example.com", Some(server("mail.example.com", 465, Tls::Implicit, None))),
            (
                "smtp://a%40b:p%3Aq%26+r@mail.example.com:2525?tls=required",
                Some(server("mail.example.com", 2525, Tls::Required, Some(("a@b", "p:q&+r")))),
            ),
            ("smtp://localhost", Some(server("localhost", 25, Tls::Off, None))),
            ("smtp://[::1]:25/", Some(server("[::1]", 25, Tls::Off, None))),
            ("smtp://mail.example.com?tls=opportunistic", None),
            ("smtps://mail.example.com/path", None),
            ("https://mail.example.com", None),
            ("mail.example.com:25", None),
            ("smtp://", None),
            ("", None),
        ] {
            assert_eq!(url.parse().ok(), expected, "{url}");
        }
    }

    #[test]
    fn credentials_are_complete_given_once_and_protected() {
        let check = |url: &str, username: Option<&str>, password: Option<&str>| {
            let server: SmtpServer = url.parse().unwrap();
            server.with_credentials(username.map(str::to_owned), password.map(str::to_owned)).is_ok()
        };
        for (accepted, url, username, password) in [
            (true, "smtps://mail.example.com", None, None),
            (true, "smtps://mail.example.com", Some("u"), Some("p")),
            (true, "smtps://u@mail.example.com", None, Some("p")),
            (true, "smtp://u:p@127.0.0.1", None, None),
            (true, "smtp://mail.example.com", None, None),
            (false, "smtp://u:p@mail.example.com", None, None),
            (false, "smtps://u:p@mail.example.com", Some("u"), None),
            (false, "smtps://u@mail.example.com", None, None),
            (false, "smtps://mail.example.com", None, Some("p")),
        ] {
            assert_eq!(check(url, username, password), accepted, "{url} {username:?} {password:?}");
        }
    }
}
