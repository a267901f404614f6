//! Starts, stops, kills and pauses the components of a Souk fleet on one machine: RabbitMQ,
//! MongoDB, instances of each service, nginx; for tests also DNS and SMTP servers and a browser. It
//! does not depend on the behaviour of the services.
//!
//! All components listen on 127.0.0.1 and keep their files in temporary folders. No process
//! outlives its owner (`watchdog`). The API is blocking, for tasks, tests and benchmarks.

mod axe;
mod browser;
mod cache;
mod component;
mod credentials;
mod detached;
mod dns;
mod error;
mod fleet;
mod folder;
mod http;
mod install;
mod mongodb;
mod nginx;
mod port;
mod process;
mod rabbitmq;
mod servers;
mod service;
mod smtp;
mod stop;
mod template;
mod watchdog;

pub use crate::axe::Axe;
pub use crate::browser::ChromeDriver;
pub use crate::component::{Component, Termination};
pub use crate::detached::DetachedServers;
pub use crate::dns::Dns;
pub use crate::error::{Error, Result};
pub use crate::fleet::{Fleet, Options, Proxies};
pub use crate::install::find_or_install;
pub use crate::mongodb::MongoDb;
pub use crate::nginx::{Nginx, Settings, SignInRate};
pub use crate::rabbitmq::RabbitMq;
pub use crate::service::{Profile, Service, UNLIMITED_RATES, programs, target_dir, workspace_dir};
pub use crate::smtp::{AcceptedMail, SmtpServer};
pub use crate::stop::StopSignal;
