//! Starts a RabbitMQ and a MongoDB, says where they are, and leaves when its input ends. The tests
//! end it in rougher ways.

use fleet::{MongoDb, RabbitMq};

fn main() -> fleet::Result<()> {
    let (rabbitmq, mongodb) = (RabbitMq::start()?, MongoDb::start()?);
    for (url, component) in [(rabbitmq.url(), rabbitmq.component()), (mongodb.url(), mongodb.component())] {
        println!("{url} {}", component.log().display());
    }
    let mut order = String::new();
    // Without a terminal there is nothing to read, which means the same.
    let _ = std::io::stdin().read_line(&mut order);
    assert!(order != "panic\n", "as ordered");
    if order == "exit\n" {
        std::process::exit(0);
    }
    Ok(())
}
