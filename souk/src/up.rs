//! `souk up`: all services in one Rocket server, with a bus inside the process. The code of the
//! services is the same as in a fleet.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use products::sample_catalogue;
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};
use shopping::PaymentMethod;
use souk_bus::Bus;
use souk_contract::api::{CustomerApi, MailApi, ProductsApi, ShoppingApi};
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::health::{self, Health};
use souk_http::rate_limit::PerMinute;
use souk_http::rate_limit::shared::SharedLimits;
use souk_http::telemetry::Telemetry;
use souk_http::{BusApi, CorsOrigins, Instance, RequestLimit, RunError, TrustedProxies};
use souk_store::Database;

use crate::data_directory::{DataDirectory, DataLocation};
use crate::databases::{SERVICES, operator_message};
use crate::settings::Settings;

/// Starts all services, and serves until the process is stopped.
pub(crate) async fn run(settings: Settings) -> Result<(), String> {
    let _telemetry = Telemetry {
        service: "souk",
        instance: None,
        filter: settings.log.clone(),
        format: settings.log_format,
        reporting: settings.reporting.clone(),
    }
    .start()?;
    let location = DataLocation::choose(settings.data.as_deref())?;
    let options = Options::read(&settings, &location)?;
    let welcome = Welcome::new(&settings, &options);
    let data = DataDirectory::open(location)?;
    let databases = Databases::open(&data)?;
    let bus = Bus::local_with_services(&SERVICES);
    let services = Services::start(&bus, &databases, &data, options.services)?;
    let sample_products = if settings.loads_sample_catalogue {
        sample_catalogue::load_if_empty(&services.products.importer()).await.map_err(operator_message)?
    } else {
        0
    };

    let health = Health { databases: databases.all().map(Database::clone).to_vec(), bus: bus.clone() };
    let welcome = AdHoc::on_liftoff("welcome", move |shop| {
        welcome.print(shop.config().address, shop.config().port, sample_products);
        Box::pin(async {})
    });
    let shop = souk_http::rocket(settings.address, settings.port)
        .mount("/health", health::routes())
        .manage(Instance::new("souk", format!("souk-{}", std::process::id())))
        .manage(health)
        .manage(options.cors)
        .manage(options.trusted_proxies)
        .manage(RequestLimit::new(options.requests_per_network))
        .attach(welcome);
    let shop = services.mount(shop);
    // Without a proxy, the shop need not drain connections.
    let result = souk_http::run(shop, &bus, Duration::ZERO).await;
    for database in databases.all() {
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

/// What the environment says. It is read before anything is created, and all problems are reported
/// at once.
struct Options {
    services: ServiceOptions,
    cors: CorsOrigins,
    requests_per_network: PerMinute,
    trusted_proxies: TrustedProxies,
}

struct ServiceOptions {
    customer: customer::Options,
    mail: mail::Options,
    products: products::Options,
    shopping: shopping::Options,
    web: web::Options,
}

impl Options {
    fn read(settings: &Settings, location: &DataLocation) -> Result<Self, String> {
        let mut environment = Environment::from_process();
        let public_url = Some(format!("http://{}", SocketAddr::new(settings.address, settings.port)));
        let mail_defaults = mail::Defaults { directory: Some(location.mails()), public_url: public_url.clone() };
        let customer = customer::Options::read(&mut environment, public_url.as_deref());
        let mail = mail::Options::read(&mut environment, &mail_defaults);
        let products = products::Options::read(&mut environment);
        let shopping = shopping::Options::read(&mut environment, Some(PaymentMethod::Demo));
        let web = web::Options::read(&mut environment, &web::Defaults { public_url });
        let cors = CorsOrigins::read(&mut environment);
        let requests_per_network = RequestLimit::read_rate(&mut environment);
        let trusted_proxies: TrustedProxies = environment.optional("TRUSTED_PROXIES").unwrap_or_default();
        environment.check()?;
        let (Some(mail), Some(web)) = (mail, web) else { return Err(environment.report()) };
        let services = ServiceOptions { customer, mail, products, shopping, web };
        Ok(Self { services, cors, requests_per_network, trusted_proxies })
    }
}

/// The database of each service.
struct Databases {
    customer: Database,
    mail: Database,
    products: Database,
    shopping: Database,
}

impl Databases {
    fn open(data: &DataDirectory) -> Result<Self, String> {
        Ok(Self {
            customer: data.database("customer")?,
            mail: data.database("mail")?,
            products: data.database("products")?,
            shopping: data.database("shopping")?,
        })
    }

    fn all(&self) -> [&Database; 4] {
        [&self.customer, &self.mail, &self.products, &self.shopping]
    }
}

/// The services, joined by a bus.
struct Services {
    customer: customer::App,
    mail: mail::App,
    products: products::App,
    shopping: shopping::App,
    web: web::App,
}

impl Services {
    fn start(bus: &Bus, databases: &Databases, data: &DataDirectory, options: ServiceOptions) -> Result<Self, String> {
        // There is no other instance to share them with.
        let limits = SharedLimits::default();
        let verifier = || Verifier::from_bus(bus.clone());
        let Databases { customer, mail, products, shopping } = databases;
        let signing_key = data.signing_key()?;
        let customer = customer::App::start(customer.clone(), bus, &limits, signing_key, options.customer);
        let customer = customer.map_err(operator_message)?;
        let products = products::App::start(products.clone(), bus, verifier(), options.products);
        let products = products.map_err(operator_message)?;
        let shopping = shopping::App::start(shopping.clone(), bus, &limits, verifier(), options.shopping);
        let shopping = shopping.map_err(operator_message)?;
        let mail = mail::App::start(mail.clone(), bus, verifier(), options.mail).map_err(operator_message)?;
        Ok(Self { customer, mail, products, shopping, web: web::App::start(bus, options.web) })
    }

    /// Mounts the routes of all services. Those of `web` are the pages, at the root.
    fn mount(self, shop: Rocket<Build>) -> Rocket<Build> {
        let api = BusApi::default()
            .with::<CustomerApi>("/customer")
            .with::<MailApi>("/mail")
            .with::<ProductsApi>("/products")
            .with::<ShoppingApi>("/shopping");
        let shop = shop
            .mount("/customer", customer::routes())
            .mount("/mail", mail::routes())
            .mount("/products", products::routes())
            .mount("/shopping", shopping::routes())
            .manage(api)
            .manage(self.customer)
            .manage(self.mail)
            .manage(self.products)
            .manage(self.shopping);
        web::mount(shop, self.web)
    }
}

struct Welcome {
    directory: Option<PathBuf>,
    /// The payment methods, when one of them moves no money.
    payments: Option<&'static str>,
    /// Where mails are written, without an SMTP server.
    mail_directory: Option<PathBuf>,
}

impl Welcome {
    fn new(settings: &Settings, options: &Options) -> Self {
        let (shopping, mail) = (&options.services.shopping, &options.services.mail);
        let payments = match [PaymentMethod::Demo, PaymentMethod::Stripe].map(|method| shopping.offers(method)) {
            [true, false] => Some("demo, which moves no money; .env.example explains how to use Stripe"),
            [true, true] => Some("Stripe, and demo, which moves no money: every customer can choose it"),
            [false, _] => None,
        };
        let mail_directory = mail.directory().filter(|_| settings.data.is_some()).map(Path::to_owned);
        Self { directory: settings.data.clone(), payments, mail_directory }
    }

    /// Prints where the shop is. `sample_products` is the number of products that were added.
    fn print(&self, address: IpAddr, port: u16, sample_products: usize) {
        println!("Souk is open at http://{}", SocketAddr::new(address, port));
        if sample_products > 0 {
            println!("  {sample_products} sample products were added (--no-demo starts without them)");
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
