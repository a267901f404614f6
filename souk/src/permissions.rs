//! `souk permissions`: the rights of the services' users on the broker, for its administrator.

use std::io::Write as _;

use clap::Args;
use souk_bus::broker_permissions;

#[derive(Args)]
pub(crate) struct PermissionsArgs {
    /// Virtual host of the shop
    #[arg(long, value_name = "VHOST", default_value = "/")]
    vhost: String,
    /// Prefix of the names of queues, exchanges and users
    #[arg(long, value_name = "PREFIX", default_value = "")]
    amqp_prefix: String,
}

pub(crate) fn run(args: &PermissionsArgs) -> Result<(), String> {
    std::io::stdout().lock().write_all(json(args)?.as_bytes()).map_err(|error| error.to_string())
}

fn json(args: &PermissionsArgs) -> Result<String, String> {
    let permissions = broker_permissions(&args.vhost, &args.amqp_prefix);
    serde_json::to_string_pretty(&permissions).map(|text| text + "\n").map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compose, `tools/fleet` and the guides for other servers read this file.
    #[test]
    fn the_file_for_deployments_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rabbitmq/permissions.json");
        let stored = std::fs::read_to_string(file).unwrap();
        let current = json(&PermissionsArgs { vhost: "/".to_owned(), amqp_prefix: String::new() }).unwrap();
        assert!(stored == current, "run: souk permissions > deploy/rabbitmq/permissions.json");
    }
}
