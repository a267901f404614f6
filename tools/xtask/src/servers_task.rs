//! `cargo xtask servers`: RabbitMQ and MongoDB that go on by themselves, for `eval "$(cargo xtask servers)"`.

use std::env;
use std::path::PathBuf;

use fleet::{DetachedServers, MongoDb, RabbitMq};

fn file() -> PathBuf {
    fleet::target_dir().join("servers.json")
}

/// Prints lines for a shell. Servers that run already are named again.
pub(crate) fn start() -> Result<(), String> {
    let text = |error: fleet::Error| error.to_string();
    let kept = match DetachedServers::read(&file()).map_err(text)? {
        Some(kept) if kept.all_running() => kept,
        rest => {
            let given = ["AMQP_URL", "MONGODB_URI"].into_iter().find(|name| env::var_os(name).is_some());
            if let Some(name) = given {
                return Err(format!("{name} is set and would be hidden: unset it, or use the server that it names"));
            }
            if let Some(rest) = rest {
                rest.stop().map_err(text)?;
            }
            let (rabbitmq, mongodb) = (RabbitMq::start().map_err(text)?, MongoDb::start().map_err(text)?);
            let kept = DetachedServers::detach(rabbitmq, mongodb).map_err(text)?;
            kept.write(&file()).map_err(text)?;
            kept
        }
    };
    println!("export AMQP_URL='{}'", kept.amqp_url);
    println!("export MONGODB_URI='{}'", kept.mongodb_uri);
    println!("# they go on until: cargo xtask servers stop");
    Ok(())
}

pub(crate) fn stop() -> Result<(), String> {
    let Some(kept) = DetachedServers::read(&file()).map_err(|error| error.to_string())? else {
        return Err("no servers were started".to_owned());
    };
    kept.stop().map_err(|error| error.to_string())?;
    std::fs::remove_file(file()).map_err(|error| format!("{}: {error}", file().display()))?;
    println!("unset AMQP_URL MONGODB_URI");
    Ok(())
}
