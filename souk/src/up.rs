//! `souk up`: the three services in one Rocket, joined by a bus inside the process. This is all that the one-process shop has
//! of its own; the services are the same as in a fleet.

use std::time::Duration;

use products::demo;
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use souk_bus::Bus;
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::health::{self, Health};
use souk_http::telemetry::Telemetry;

use crate::data::Data;
use crate::front;
use crate::options::Settings;

/// Runs the shop until it is told to stop.
pub(crate) async fn up(settings: Settings) -> Result<(), String> {
    let _telemetry = Telemetry {
        service: "souk",
        instance: None,
        filter: settings.log.clone(),
        format: settings.log_format,
        reporting: settings.reporting.clone(),
    }
    .start()?;
    let mut environment = Environment::from_process();
    let orders_by = shopping::Options::read(&mut environment);
    let import = products::ImportLimits::read(&mut environment);
    environment.check()?;
    let data = Data::open(settings.data.as_deref())?;
    let databases = [data.database("customer")?, data.database("products")?, data.database("shopping")?];
    let [customers, catalogue, orders] = databases.clone();

    let bus = Bus::local_with_services(&["customer", "products", "shopping"]);
    let failed = |error: souk_types::Error| error.operator_message();
    let customer = customer::App::start(customers, &bus, data.signing_key()?).map_err(failed)?;
    let products = products::App::start(catalogue, &bus, Verifier::from_bus(bus.clone()), import).map_err(failed)?;
    let verifier = Verifier::from_bus(bus.clone());
    let shopping = shopping::App::start(orders, &bus, verifier, orders_by).map_err(failed)?;
    let loaded = if settings.demo { demo::load_if_empty(&products.importer()).await.map_err(failed)? } else { 0 };

    let welcome = Welcome { directory: settings.data.clone(), loaded };
    let shop = souk_http::rocket(settings.address, settings.port)
        .mount("/", front::routes())
        .mount("/health", health::routes())
        .mount("/customer", customer::routes())
        .mount("/products", products::routes())
        .mount("/shopping", shopping::routes())
        .manage(Health { databases: databases.to_vec(), bus: bus.clone() })
        .manage(customer)
        .manage(products)
        .manage(shopping)
        .attach(AdHoc::on_liftoff("welcome", move |shop| {
            welcome.print(shop.config().address, shop.config().port);
            Box::pin(async {})
        }));
    // Nobody stands in front of it who would have to be told.
    match souk_http::run(shop, &bus, Duration::ZERO).await {
        Ok(()) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::Bind(reason) | ErrorKind::Io(reason) => {
                let (address, port) = (settings.address, settings.port);
                format!("cannot listen on {address} port {port}: {reason}; choose another with --port")
            }
            other => format!("the web server stopped: {other}"),
        }),
    }
}

/// What is printed when the shop is open.
struct Welcome {
    directory: Option<std::path::PathBuf>,
    loaded: usize,
}

impl Welcome {
    fn print(&self, address: std::net::IpAddr, port: u16) {
        let host = std::net::SocketAddr::new(address, port);
        println!("Souk is open at http://{host}");
        if self.loaded > 0 {
            println!("  {} sample products are on the shelves (--no-demo leaves them empty)", self.loaded);
        }
        match &self.directory {
            Some(directory) => {
                println!("  data: {}", directory.display());
                println!("  make an admin: souk admin create you@example.com --data {}", directory.display());
            }
            None => println!("  data: none is kept"),
        }
        println!("  stop: Ctrl-C");
    }
}
