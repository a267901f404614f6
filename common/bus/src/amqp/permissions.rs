//! The rights of a service's user on the broker, as regular expressions over the names of queues
//! and exchanges. The names begin with the service that owns them.

use serde::Serialize;
use souk_contract::access::{ACCESS, ServiceAccess};

use super::topology::{Names, dead_letter_queue};

/// The user that operators have, with all rights.
pub const OPERATOR: &str = "souk";

/// The rights of one user in one virtual host, as in RabbitMQ's definitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerPermissions {
    /// The user: the prefix of the deployment, and the service.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to, and which queues it may bind.
    pub write: String,
    /// What it may consume, and which exchanges it may bind queues to.
    pub read: String,
}

/// Returns the rights of all users: the operator's and those of the services.
#[must_use]
pub fn broker_permissions(virtual_host: &str, prefix: &str) -> Vec<BrokerPermissions> {
    let names = Names(prefix.to_owned());
    let all = || ".*".to_owned();
    let operator = BrokerPermissions {
        user: format!("{prefix}{OPERATOR}"),
        vhost: virtual_host.to_owned(),
        configure: all(),
        write: all(),
        read: all(),
    };
    let services = ACCESS.iter().map(|access| of_service(access, virtual_host, &names));
    [operator].into_iter().chain(services).collect()
}

fn of_service(access: &ServiceAccess, virtual_host: &str, names: &Names) -> BrokerPermissions {
    let own = escape(&names.prefixed(access.service)) + r"\..*";
    let broadcasts = escape(&names.broadcasts());
    // A publisher declares the queues of its listeners: one that has never run misses nothing.
    let shared: Vec<String> = access
        .listeners()
        .into_iter()
        .map(|listener| escape(&names.event_queue(listener, access.service)) + r"(\..*)?")
        .collect();
    let mut configure = vec![own];
    configure.extend(shared);
    let (mut write, mut read) = (configure.clone(), configure.clone());
    write.push(broadcasts.clone());
    read.push(broadcasts);
    for service in access.called_services() {
        write.push(escape(&names.calls(service)));
        read.push(escape(&names.replies(service)));
    }
    read.extend(access.subscribed_services().into_iter().map(|owner| escape(&names.exchange(owner))));
    if access.handles_dead_letters {
        configure.push(escape(&names.dead_letter_lock()));
        let queues = ACCESS
            .iter()
            .flat_map(|owner| owner.listeners().into_iter().map(|listener| names.event_queue(listener, owner.service)));
        // Taking a message suffices to replay it: the broker moves what is rejected.
        read.extend(queues.map(|queue| escape(&dead_letter_queue(&queue))));
    }
    BrokerPermissions {
        user: names.prefixed(access.service),
        vhost: virtual_host.to_owned(),
        configure: whole(&configure),
        write: whole(&write),
        read: whole(&read),
    }
}

/// Returns an expression that matches what one of `names` matches, from its beginning to its end.
fn whole(names: &[String]) -> String {
    format!("^({})$", names.join("|"))
}

/// Escapes what has a meaning in a regular expression and can be in a name.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 2);
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() && !matches!(character, '-' | '_') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str, prefix: &str) -> BrokerPermissions {
        let user = format!("{prefix}{service}");
        broker_permissions("/", prefix).into_iter().find(|permissions| permissions.user == user).unwrap()
    }

    #[test]
    fn a_service_has_its_own_names_and_those_that_it_shares() {
        let products = of("products", "");
        assert_eq!(products.configure, r"^(products\..*|customer\.products(\..*)?)$");
        assert_eq!(products.write, r"^(products\..*|customer\.products(\..*)?|souk\.broadcasts|customer\.calls)$");
        assert_eq!(
            products.read,
            r"^(products\..*|customer\.products(\..*)?|souk\.broadcasts|customer\.replies|customer\.events)$"
        );
    }

    #[test]
    fn names_of_a_deployment_have_its_prefix() {
        assert!(of("web", "eu.").configure.starts_with(r"^(eu\.web\..*|eu\.souk\.dlq)$"));
    }

    #[test]
    fn only_web_reads_dead_letters_of_others() {
        for access in ACCESS {
            let read = of(access.service, "").read;
            assert_eq!(read.contains(r"|shopping\.customer\.dead"), access.service == "web", "{read}");
        }
    }
}
