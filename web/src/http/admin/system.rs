//! The monitor: instances, databases and queues, live, and a form to stop one instance.

use std::time::Duration;

use askama::Template;
use rocket::response::stream::{Event, EventStream};
use rocket::{Responder, Route, State, get, post, routes};
use souk_contract::role::Permission;
use souk_http::ShutdownFlag;
use souk_types::{Error, ErrorKind};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::form::Form;
use crate::locale::{Key, Language};
use crate::monitor::{Instance, Queues};
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const PATH: &str = "/admin/system";
/// What the query of the page says after an instance was asked to stop.
const STOPPING: &str = "stopping";
/// Pause between two events of the live page.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time after which the browser must connect anew: its session is then checked again.
const MAX_STREAM: Duration = Duration::from_mins(5);
/// Time after which the stream asks again whether the visitor may see the monitor.
const RECHECK: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Vec<Route> {
    routes![show, events, stop]
}

#[derive(Template)]
#[template(path = "admin/system.html")]
struct SystemPage {
    page: Frame,
    nav: Nav,
    /// The tables, which the live page replaces.
    tables: String,
    events_url: String,
    /// What was done.
    done: Option<Key>,
    /// Why an instance was not stopped.
    refusal: Option<Key>,
}

/// What the live page replaces each second.
#[derive(Template)]
#[template(path = "admin/system-tables.html")]
struct Tables<'a> {
    language: Language,
    csrf: &'a str,
    stop_url: String,
    dead_letters_url: String,
    instances: Vec<Instance>,
    databases: Vec<Database>,
    queues: Queues,
}

/// A database as one of its instances sees it.
struct Database {
    instance: String,
    name: String,
    answer: Option<String>,
    /// Events in its outbox.
    pending: Option<String>,
}

#[allow(clippy::unused_self, clippy::trivially_copy_pass_by_ref, reason = "the template calls these as methods")]
impl Tables<'_> {
    fn text<'m>(&self, key: &'static str) -> crate::locale::Message<'m> {
        self.language.text(key)
    }

    /// Writes a figure with one decimal.
    fn figure(&self, value: &f64) -> String {
        self.language.tenths(*value)
    }

    fn number(&self, value: &u32) -> String {
        self.language.number(u64::from(*value))
    }

    /// Writes the age of a process: `3 h 5 min`.
    fn age(&self, instance: &Instance) -> String {
        let minutes = souk_types::Timestamp::now().since(instance.state.started_at).as_secs() / 60;
        match minutes {
            0..60 => format!("{minutes} min"),
            60..1_440 => format!("{} h {} min", minutes / 60, minutes % 60),
            _ => format!("{} d {} h", minutes / 1_440, minutes / 60 % 24),
        }
    }

    fn status(&self, instance: &Instance) -> Key {
        match instance {
            Instance { is_silent: true, .. } => Key("system-silent"),
            Instance { state, .. } if state.is_stopping => Key("system-stopping"),
            Instance { state, .. } if !state.unanswered_services.is_empty() => Key("system-impaired"),
            _ => Key("system-running"),
        }
    }

    /// Returns the class of the colours of a status.
    fn tone(&self, instance: &Instance) -> &'static str {
        match instance {
            Instance { is_silent: true, .. } => "tone-off",
            Instance { state, .. } if state.is_stopping || !state.unanswered_services.is_empty() => "tone-wait",
            _ => "tone-good",
        }
    }
}

#[get("/admin/system?<done>")]
async fn show(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let done = done.filter(|done| *done == STOPPING).map(|_| Key("system-stop-asked"));
    system_page(&visit, done, None).await
}

async fn system_page(visit: &Visit<'_>, done: Option<Key>, refusal: Option<Key>) -> PageResult {
    let admin = Admin::of(visit, Permission::OperateSystem).await?;
    let (page, nav) = admin.frame(visit, Section::System, visit.text("admin-nav-system").to_string()).await?;
    let tables = tables(visit, &page.csrf).await?;
    let events_url = visit.url("/admin/system/events");
    Ok(Page::personal(&SystemPage { page, nav, tables, events_url, done, refusal })?.into())
}

/// The live page as server-sent events. nginx passes each on at once.
#[derive(Responder)]
struct Live<S> {
    stream: S,
    buffering: rocket::http::Header<'static>,
}

#[get("/admin/system/events")]
async fn events<'r>(
    visit: Visit<'r>,
    stopping: &'r State<ShutdownFlag>,
) -> Result<Live<EventStream![Event + 'r]>, PageError> {
    Admin::of(&visit, Permission::OperateSystem).await?;
    let csrf = visit.frame_from_cache("")?.csrf;
    let begun = Instant::now();
    let stream = EventStream! {
        let mut checked = Instant::now();
        let mut due = interval(INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while begun.elapsed() < MAX_STREAM && !stopping.is_set() {
            due.tick().await;
            if checked.elapsed() >= RECHECK {
                if !may_still_watch(&visit).await {
                    break;
                }
                checked = Instant::now();
            }
            match tables(&visit, &csrf).await {
                Ok(html) => yield Event::data(html),
                Err(error) => {
                    tracing::error!(%error, "the monitor cannot be rendered");
                    break;
                }
            }
        }
    };
    Ok(Live { stream, buffering: rocket::http::Header::new("X-Accel-Buffering", "no") })
}

/// Whether the visitor has not lost the permission. While `customer` does not answer, nobody loses
/// a role, and the monitor is needed most.
async fn may_still_watch(visit: &Visit<'_>) -> bool {
    let admin = Admin::of(visit, Permission::OperateSystem).await;
    matches!(admin, Ok(_) | Err(PageError::Problem(Problem::Unavailable)))
}

#[post("/admin/system/stop", data = "<form>")]
async fn stop(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::OperateSystem).await?;
    let (service, instance) = (form.get("service"), form.get("instance"));
    let refusal = match visit.app.monitor.stop(service, instance).await {
        Ok(()) => {
            tracing::info!(admin = %admin.id, service, instance, "an admin stops an instance");
            return Ok(Answer::SeeOther(format!("{}?done={STOPPING}", visit.url(PATH))));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Key("system-not-found"),
        Err(error) if error.code() == "last-instance" => Key("system-last-instance"),
        Err(error) if error.is_outage() => Key("system-broker-down"),
        Err(error) => return Err(error.into()),
    };
    system_page(&visit, None, Some(refusal)).await
}

async fn tables(visit: &Visit<'_>, csrf: &str) -> Result<String, Error> {
    let instances = visit.app.monitor.instances();
    let language = visit.language;
    let databases = instances.iter().filter(|instance| !instance.is_silent).flat_map(|instance| {
        instance.state.databases.iter().map(|database| Database {
            instance: instance.state.instance.clone(),
            name: database.name.clone(),
            answer: database.answer_ms.map(|time| language.tenths(time)),
            pending: database.pending_events.map(|events| language.number(u64::from(events))),
        })
    });
    let databases = databases.collect();
    let tables = Tables {
        language,
        csrf,
        stop_url: visit.url("/admin/system/stop"),
        dead_letters_url: visit.url("/admin/dead-letters"),
        databases,
        instances,
        queues: visit.app.monitor.queues().await,
    };
    tables.render().map_err(Error::internal)
}
