//! `cargo xtask servers`: RabbitMQ and MongoDB in the background, for `eval "$(cargo xtask
//! servers)"`.

use std::env;
use std::path::PathBuf;

use fleet::{DetachedServers, MongoDb, RabbitMq};

fn file() -> PathBuf {
    fleet::target_dir().join("servers.json")
}

/// Starts the servers unless they run already, and prints their addresses as shell commands.
pub(crate) fn start() -> Result<(), String> {
    let text = |error: fleet::Error| error.to_string();
    let servers = match DetachedServers::read(&file()).map_err(text)? {
        Some(servers) if servers.all_running() => servers,
        stale => {
            if let Some(name) = ["AMQP_URL", "MONGODB_URI"].into_iter().find(|name| env::var_os(name).is_some()) {
                return Err(format!(
                    "{name} is set already: unset it to start servers, or use the server that it names"
                ));
            }
            if let Some(stale) = stale {
                stale.stop().map_err(text)?;
            }
            let (rabbitmq, mongodb) = (RabbitMq::start().map_err(text)?, MongoDb::start().map_err(text)?);
            let servers = DetachedServers::detach(rabbitmq, mongodb).map_err(text)?;
            servers.write(&file()).map_err(text)?;
            servers
        }
    };
    println!("export AMQP_URL='{}'", servers.amqp_url);
    println!("export MONGODB_URI='{}'", servers.mongodb_uri);
    println!("# to stop them: cargo xtask servers stop");
    Ok(())
}

pub(crate) fn stop() -> Result<(), String> {
    let Some(servers) = DetachedServers::read(&file()).map_err(|error| error.to_string())? else {
        return Err("no servers were started: cargo xtask servers".to_owned());
    };
    servers.stop().map_err(|error| error.to_string())?;
    std::fs::remove_file(file()).map_err(|error| format!("{}: {error}", file().display()))?;
    println!("unset AMQP_URL MONGODB_URI");
    Ok(())
}
