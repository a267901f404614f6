//! `cargo xtask bench` and `cargo xtask chaos`: programs of their own, built and given their
//! servers here.

use std::process::Command;

use fleet::{MongoDb, RabbitMq};

use crate::command::{build_programs, run};

pub(crate) fn bench(parts: &[String]) -> Result<(), String> {
    build_programs(&["bench"], true)?;
    let mut bench = Command::new(fleet::target_dir().join("release").join("bench"));
    bench.args(parts);
    // The benchmark reports the parts that it skips without a server.
    let (rabbitmq, mongodb) = (RabbitMq::start(), MongoDb::start());
    for (variable, url) in
        [("AMQP_URL", rabbitmq.as_ref().map(RabbitMq::url)), ("MONGODB_URI", mongodb.as_ref().map(MongoDb::url))]
    {
        match url {
            Ok(url) => drop(bench.env(variable, url)),
            Err(error) => eprintln!("{variable}: {error}"),
        }
    }
    run(&mut bench)
}

/// Builds and runs `tools/chaos`. The short form runs a debug build.
pub(crate) fn chaos(options: &[String]) -> Result<(), String> {
    let is_release = !options.iter().any(|option| option == "--short");
    build_programs(&["chaos"], is_release)?;
    let folder = if is_release { "release" } else { "debug" };
    run(Command::new(fleet::target_dir().join(folder).join("chaos")).args(options))
}
