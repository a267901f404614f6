//! RabbitMQ's management API, as far as users need it.
//! See <https://www.rabbitmq.com/docs/http-api-reference>.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use rocket::tokio::task::spawn_blocking;
use serde_json::{Value, json};

use super::url::CredentialUrl;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response, in bytes. A connection has a few kilobytes.
const MAX_RESPONSE: u64 = 64 * 1024 * 1024;
/// Port of the plugin `rabbitmq_management`.
const DEFAULT_PORT: u16 = 15_672;

/// The users of one RabbitMQ broker, seen by an administrator.
#[derive(Clone)]
pub(super) struct RabbitUsers {
    agent: ureq::Agent,
    base: String,
    authorization: String,
}

impl RabbitUsers {
    /// `operator_url` is the administrator's `AMQP_URL`. `base` is the address of the API; by
    /// default, it is on the broker's host. Errors: a URL cannot be read; the broker is reached by
    /// TLS and there is no `base`, so that the administrator's password would travel without.
    pub(super) fn new(operator_url: &str, base: Option<String>) -> Result<Self, String> {
        let url = CredentialUrl::parse(operator_url).map_err(|why| format!("AMQP_URL: {why}"))?;
        let password = percent_decode_str(url.encoded_password()).decode_utf8();
        let password = password.map_err(|_| "AMQP_URL: its password is not UTF-8".to_owned())?;
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{password}", url.user())));
        if base.is_none() && url.scheme() != "amqp" {
            return Err("name RabbitMQ's management API with --management-url, such as https://HOST:15671".to_owned());
        }
        let base = base.unwrap_or_else(|| format!("http://{}:{DEFAULT_PORT}", url.host()));
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        let base = format!("{}/api", base.trim_end_matches('/'));
        Ok(Self { agent: config.build().into(), base, authorization })
    }

    pub(super) async fn exists(&self, user: &str) -> Result<bool, String> {
        self.get(&format!("/users/{user}")).await.map(|found| found.is_some())
    }

    /// Creates the user `copy` with the rights of `user` in all virtual hosts. Errors: there is no
    /// `user`.
    pub(super) async fn copy(&self, user: &str, copy: &str, password: &str) -> Result<(), String> {
        let missing = || format!("RabbitMQ has no user {user}");
        let tags = self.get(&format!("/users/{user}")).await?.ok_or_else(missing)?["tags"].clone();
        let rights = self.get(&format!("/users/{user}/permissions")).await?.ok_or_else(missing)?;
        self.put(&format!("/users/{copy}"), json!({"password": password, "tags": tags})).await?;
        for right in rights.as_array().into_iter().flatten() {
            let virtual_host = encoded(right["vhost"].as_str().unwrap_or_default());
            let right = json!({"configure": right["configure"], "write": right["write"], "read": right["read"]});
            self.put(&format!("/permissions/{virtual_host}/{copy}"), right).await?;
        }
        Ok(())
    }

    /// Returns the number of open connections of the user. The list of all connections would come
    /// from statistics, which are seconds old and incomplete.
    pub(super) async fn connections(&self, user: &str) -> Result<usize, String> {
        let path = format!("/connections/username/{user}");
        let connections = self.get(&path).await?;
        let connections = connections.as_ref().and_then(Value::as_array);
        connections.map(Vec::len).ok_or_else(|| format!("RabbitMQ's management API: GET {path}: no list"))
    }

    /// Deletes the user, and closes its connections.
    pub(super) async fn delete(&self, user: &str) -> Result<(), String> {
        self.ask("DELETE", &format!("/users/{user}"), None).await.map(drop)
    }

    /// Returns `None` for `404`.
    async fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let unreadable = |error| format!("RabbitMQ's management API: an answer cannot be read: {error}");
        let body = self.ask("GET", path, None).await?;
        body.map(|body| serde_json::from_slice(&body).map_err(unreadable)).transpose()
    }

    async fn put(&self, path: &str, body: Value) -> Result<(), String> {
        match self.ask("PUT", path, Some(body.to_string())).await? {
            Some(_) => Ok(()),
            None => Err(format!("RabbitMQ's management API: PUT {path}: not found")),
        }
    }

    async fn ask(&self, method: &'static str, path: &str, body: Option<String>) -> Result<Option<Vec<u8>>, String> {
        let (api, url) = (self.clone(), format!("{}{path}", self.base));
        let failed = format!("RabbitMQ's management API at {}", self.base);
        let ask = move || -> Result<_, ureq::Error> {
            let request = ureq::http::Request::builder().method(method).uri(url);
            let request = request.header("Authorization", api.authorization).header("Content-Type", "application/json");
            let response = api.agent.run(request.body(body.unwrap_or_default())?)?;
            let status = response.status();
            Ok((status, response.into_body().into_with_config().limit(MAX_RESPONSE).read_to_vec()?))
        };
        let asked = spawn_blocking(ask).await.map_err(|error| format!("{failed}: {error}"))?;
        match asked.map_err(|error| format!("{failed}: {error}"))? {
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, _) if status == 404 => Ok(None),
            (status, _) if status == 401 => {
                Err(format!("{failed}: the user of AMQP_URL may not use it; give it the tag administrator"))
            }
            (status, _) => Err(format!("{failed}: {method} {path}: status {}", status.as_u16())),
        }
    }
}

/// Encodes a part of a path.
fn encoded(part: &str) -> String {
    percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
}
