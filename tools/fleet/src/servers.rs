//! The servers of a fleet: its own, or those that the environment names.

use std::env;

use crate::component::Component;
use crate::error::Result;
use crate::mongodb::MongoDb;
use crate::rabbitmq::RabbitMq;
use crate::service::Service;

/// A server of this fleet, or one that the environment names, which is neither started nor stopped.
pub(crate) enum Broker {
    Own(Box<RabbitMq>),
    External(String),
}

pub(crate) enum Database {
    Own(Box<MongoDb>),
    /// A server of another service of this fleet, or one that the environment names.
    Shared {
        url: String,
        url_of_service: String,
    },
}

impl Broker {
    pub(crate) fn component(&self) -> Option<&Component> {
        match self {
            Self::Own(rabbitmq) => Some(rabbitmq.component()),
            Self::External(_) => None,
        }
    }

    /// An external broker has one user for all services.
    pub(crate) fn url_of(&self, service: Service) -> String {
        match self {
            Self::Own(rabbitmq) => rabbitmq.url_of(service),
            Self::External(url) => url.clone(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Own(rabbitmq) => rabbitmq.url(),
            Self::External(url) => url,
        }
    }
}

impl Database {
    pub(crate) fn component(&self) -> Option<&Component> {
        match self {
            Self::Own(mongodb) => Some(mongodb.component()),
            Self::Shared { .. } => None,
        }
    }

    pub(crate) fn url_of(&self, service: Service) -> String {
        match self {
            Self::Own(mongodb) => mongodb.url_of(service),
            Self::Shared { url_of_service, .. } => url_of_service.clone(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Own(mongodb) => mongodb.url(),
            Self::Shared { url, .. } => url,
        }
    }
}

fn from_environment(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.is_empty())
}

pub(crate) fn broker() -> Result<Broker> {
    from_environment("AMQP_URL")
        .map_or_else(|| Ok(Broker::Own(Box::new(RabbitMq::prepare()?))), |url| Ok(Broker::External(url)))
}

pub(crate) fn databases(apart: bool) -> Result<Vec<(Service, Database)>> {
    let [first, others @ ..] = Service::WITH_DATABASE;
    if let Some(url) = from_environment("MONGODB_URI") {
        let shared = || Database::Shared { url: url.clone(), url_of_service: url.clone() };
        return Ok(Service::WITH_DATABASE.map(|service| (service, shared())).into());
    }
    if apart {
        let start = |service| {
            let mongodb = MongoDb::prepare_with_users(&format!("mongodb-{service}"))?;
            Ok((service, Database::Own(Box::new(mongodb))))
        };
        return Service::WITH_DATABASE.into_iter().map(start).collect();
    }
    let mongodb = MongoDb::prepare_with_users("mongodb")?;
    let shared = others.map(|service| {
        (service, Database::Shared { url: mongodb.url().to_owned(), url_of_service: mongodb.url_of(service) })
    });
    Ok([(first, Database::Own(Box::new(mongodb)))].into_iter().chain(shared).collect())
}
