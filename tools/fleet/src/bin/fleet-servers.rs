//! Starts a RabbitMQ and a MongoDB, prints their addresses, and ends at the end of its input, or as
//! a line of input orders: for the test that no server outlives its owner.

use fleet::{MongoDb, RabbitMq};

fn main() -> fleet::Result<()> {
    let (rabbitmq, mongodb) = (RabbitMq::start()?, MongoDb::start()?);
    for (url, component) in [(rabbitmq.url(), rabbitmq.component()), (mongodb.url(), mongodb.component())] {
        println!("{url} {}", component.log().display());
    }
    let mut order = String::new();
    // Without a terminal the input ends at once, and so does the program.
    let _ = std::io::stdin().read_line(&mut order);
    assert!(order != "panic\n", "the test orders a panic");
    if order == "exit\n" {
        std::process::exit(0);
    }
    Ok(())
}
