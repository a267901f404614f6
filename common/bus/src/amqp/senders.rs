//! Checks which service sent a message. The broker accepts a message only under the user of the
//! connection that it came through (`user_id`), so a receiver can rely on it. Where all services
//! share one user, there is nothing to check.

use lapin::BasicProperties;
use lapin::types::ShortString;
use souk_contract::access::ServiceAccess;

/// How this process takes the senders of messages.
#[derive(Debug, Clone)]
pub(super) struct Senders {
    /// The user of this process. Its messages carry it.
    own: ShortString,
    prefix: String,
    /// Whether each service has a user of its own, because this process has.
    is_checking: bool,
}

impl Senders {
    /// `user` is that of this process on the broker; users begin with the prefix of the deployment.
    pub(super) fn new(user: &str, prefix: &str) -> Self {
        let is_checking = service(user, prefix).is_some();
        Self { own: user.into(), prefix: prefix.to_owned(), is_checking }
    }

    /// Adds the user of this process, which the broker checks.
    pub(super) fn sign(&self, properties: BasicProperties) -> BasicProperties {
        properties.with_user_id(self.own.clone())
    }

    /// Checks that the sender of a message may send it: a service that `allows` it, or an operator,
    /// whose user is that of no service. Returns the service, if it is known to be one. Errors: why
    /// not.
    pub(super) fn check(
        &self,
        properties: &BasicProperties,
        allows: impl FnOnce(&ServiceAccess) -> bool,
    ) -> Result<Option<&'static str>, String> {
        if !self.is_checking {
            return Ok(None);
        }
        let user = properties.user_id().as_ref().map(ShortString::as_str);
        let user = user.ok_or("it does not name its sender")?;
        match service(user, &self.prefix) {
            Some(access) if !allows(access) => Err(format!("the user {user} may not send it")),
            sender => Ok(sender.map(|access| access.service)),
        }
    }
}

/// Returns the service whose user this is: `customer`, or `customer.2` while its password changes.
fn service(user: &str, prefix: &str) -> Option<&'static ServiceAccess> {
    let user = user.strip_prefix(prefix)?;
    ServiceAccess::of(user.split_once('.').map_or(user, |(service, _)| service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &str, prefix: &str, sender: Option<&str>) -> bool {
        let properties = BasicProperties::default();
        let properties = sender.map_or(properties.clone(), |sender| properties.with_user_id(sender.into()));
        Senders::new(own, prefix).check(&properties, |access| access.service == "customer").is_ok()
    }

    #[test]
    fn only_the_named_service_and_operators_may_send() {
        for (own, prefix, sender, expected) in [
            ("shopping", "", Some("customer"), true),
            ("shopping", "", Some("customer.2"), true),
            ("shopping", "", Some("products"), false),
            ("shopping.2", "", Some("products.2"), false),
            ("shopping", "", Some("souk"), true),
            ("shopping", "", None, false),
            ("eu.shopping", "eu.", Some("eu.customer"), true),
            ("eu.shopping", "eu.", Some("eu.products"), false),
            ("souk", "", Some("products"), true),
            ("souk", "", None, true),
        ] {
            assert_eq!(check(own, prefix, sender), expected, "{own}, {prefix}, {sender:?}");
        }
    }
}
