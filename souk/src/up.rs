//! `souk up`: all services in one Rocket server, with a bus inside the process. The code of the
//! services is the same as in a fleet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use products::demo;
use rocket::fairing::AdHoc;
use shopping::PaymentMethod;
use souk_bus::Bus;
use souk_contract::api::{CustomerApi, MailApi, ProductsApi, ShoppingApi};
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::health::{self, Health};
use souk_http::rate_limit::shared::SharedLimits;
use souk_http::telemetry::Telemetry;
use souk_http::{BusApi, CorsOrigins, Instance, RequestLimit, RunError, TrustedProxies};

use crate::data_directory::DataDirectory;
use crate::databases::{SERVICES, operator_message};
use crate::settings::Settings;

pub(crate) async fn run(settings: Settings) -> Result<(), String> {
    let _telemetry = Telemetry {
        service: "souk",
        instance: None,
        filter: settings.log.clone(),
        format: settings.log_format,
        reporting: settings.reporting.clone(),
    }
    .start()?;
    let mut environment = Environment::from_process();
    let public_url = Some(format!("http://{}", std::net::SocketAddr::new(settings.address, settings.port)));
    let customer_options = customer::Options::read(&mut environment, public_url.as_deref());
    let shopping_options = shopping::Options::read(&mut environment, Some(PaymentMethod::Demo));
    let import_limits = products::ImportLimits::read(&mut environment);
    let cors = CorsOrigins::read(&mut environment);
    let requests_per_address = RequestLimit::read_rate(&mut environment);
    let trusted_proxies: TrustedProxies = environment.optional("TRUSTED_PROXIES").unwrap_or_default();
    environment.check()?;
    let data = DataDirectory::open(settings.data.as_deref())?;
    let mail_defaults = mail::Defaults { directory: Some(data.mails()), public_url: public_url.clone() };
    let mail_options = mail::Options::read(&mut environment, &mail_defaults);
    let web_options = web::Options::read(&mut environment, &web::Defaults { public_url });
    let (Some(mail_options), Some(web_options)) = (mail_options, web_options) else { return Err(environment.report()) };
    let databases =
        [data.database("customer")?, data.database("mail")?, data.database("products")?, data.database("shopping")?];
    let [customers, mails, catalogue, orders] = databases.clone();

    let bus = Bus::local_with_services(&SERVICES);
    // There is no other instance to share them with.
    let limits = SharedLimits::default();
    let customer = customer::App::start(customers, &bus, &limits, data.signing_key()?, customer_options)
        .map_err(operator_message)?;
    let products = products::App::start(catalogue, &bus, Verifier::from_bus(bus.clone()), import_limits)
        .map_err(operator_message)?;
    let verifier = Verifier::from_bus(bus.clone());
    let payments = match [PaymentMethod::Demo, PaymentMethod::Stripe].map(|method| shopping_options.offers(method)) {
        [true, false] => Some("demo, which moves no money; .env.example explains how to use Stripe"),
        [true, true] => Some("Stripe, and demo, which moves no money: every customer can choose it"),
        [false, _] => None,
    };
    let shopping = shopping::App::start(orders, &bus, &limits, verifier, shopping_options).map_err(operator_message)?;
    let verifier = Verifier::from_bus(bus.clone());
    let mail_directory = mail_options.directory().filter(|_| settings.data.is_some()).map(Path::to_owned);
    let mail = mail::App::start(mails, &bus, verifier, mail_options).map_err(operator_message)?;
    let samples =
        if settings.demo { demo::load_if_empty(&products.importer()).await.map_err(operator_message)? } else { 0 };

    let welcome = Welcome { directory: settings.data.clone(), samples, payments, mail_directory };
    let api = BusApi::default()
        .with::<CustomerApi>("/customer")
        .with::<MailApi>("/mail")
        .with::<ProductsApi>("/products")
        .with::<ShoppingApi>("/shopping");
    let shop = souk_http::rocket(settings.address, settings.port)
        .mount("/health", health::routes())
        .mount("/customer", customer::routes())
        .mount("/mail", mail::routes())
        .mount("/products", products::routes())
        .mount("/shopping", shopping::routes())
        .manage(api)
        .manage(Instance::new("souk", format!("souk-{}", std::process::id())))
        .manage(Health { databases: databases.to_vec(), bus: bus.clone() })
        .manage(cors)
        .manage(trusted_proxies)
        .manage(RequestLimit::new(requests_per_address))
        .manage(customer)
        .manage(mail)
        .manage(products)
        .manage(shopping)
        .attach(AdHoc::on_liftoff("welcome", move |shop| {
            welcome.print(shop.config().address, shop.config().port);
            Box::pin(async {})
        }));
    let shop = web::mount(shop, web::App::start(&bus, web_options));
    // Without a proxy, the shop need not drain connections.
    let result = souk_http::run(shop, &bus, Duration::ZERO).await;
    for database in &databases {
        database.close().await;
    }
    match result {
        Ok(()) => Ok(()),
        Err(RunError::Listen(reason)) => {
            let (address, port) = (settings.address, settings.port);
            Err(format!("cannot listen on {address} port {port}: {reason}: choose another port with --port"))
        }
        Err(other @ RunError::Setup(_)) => Err(other.to_string()),
    }
}

struct Welcome {
    directory: Option<PathBuf>,
    samples: usize,
    /// The payment methods, when one of them moves no money.
    payments: Option<&'static str>,
    /// Where mails are written, without an SMTP server.
    mail_directory: Option<PathBuf>,
}

impl Welcome {
    fn print(&self, address: std::net::IpAddr, port: u16) {
        let host = std::net::SocketAddr::new(address, port);
        println!("Souk is open at http://{host}");
        if self.samples > 0 {
            println!("  {} sample products were added (--no-demo starts without them)", self.samples);
        }
        if let Some(payments) = self.payments {
            println!("  payments: {payments}");
        }
        if let Some(directory) = &self.mail_directory {
            println!("  mails are files in {} (SMTP_URL sends them): souk mail list", directory.display());
        }
        match &self.directory {
            Some(directory) => {
                println!("  data: {}", directory.display());
                println!("  create an admin: souk admin create you@example.com --data {}", directory.display());
            }
            None => println!("  data: in memory only, deleted at the end"),
        }
        println!("  stop: Ctrl-C");
    }
}
