//! The embedded store and the stock, without HTTP.

use std::time::{Duration, Instant};

use products::editing::{self, NewProduct};
use products::{CatalogueQuery, Options, ProductView, Sort, catalogue};
use rocket::serde::json::json;
use rocket::serde::{Deserialize, Serialize};
use souk_bus::Bus;
use souk_contract::products::{ProductId, ReservationId, ReservationLine, Reserve};
use souk_contract::shopping::OrderId;
use souk_http::auth::Verifier;
use souk_store::{Collection, Database, Document, Durability, Index};
use souk_types::input::from_json;
use souk_types::{Id, PageLimit, Paging, Quantity, Timestamp};
use tokio::task::JoinSet;

use crate::table::{Table, Target, median, number, text};

const TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;

#[derive(Clone, Serialize, Deserialize)]
#[serde(crate = "rocket::serde")]
struct Note {
    text: String,
}

impl Document for Note {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "notes";
}

fn database(name: &'static str) -> Result<(tempfile::TempDir, Database), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let database = Database::sqlite(name, &directory.path().join("bench.db"), Durability::Disk).map_err(text)?;
    Ok((directory, database))
}

/// Operations per second of `writers` concurrent tasks.
async fn rate<F>(writers: usize, work: impl Fn(usize) -> F + Clone + Send + 'static) -> Result<f64, String>
where
    F: Future<Output = Result<(), souk_types::Error>> + Send,
{
    let started = Instant::now();
    let mut running = JoinSet::new();
    for writer in 0..writers {
        let work = work.clone();
        running.spawn(async move {
            let mut done = 0;
            while started.elapsed() < TIME {
                work(writer).await.map_err(text)?;
                done += 1;
            }
            Ok::<_, String>(done)
        });
    }
    let mut done = 0;
    while let Some(count) = running.join_next().await {
        done += count.map_err(text)??;
    }
    Ok(number(done) / started.elapsed().as_secs_f64())
}

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    commits(table).await?;
    holds(table).await?;
    stock_inside_or_beside(table).await
}

/// Group commit: concurrent commits share one flush.
async fn commits(table: &mut Table) -> Result<(), String> {
    let (_directory, database) = database("commits")?;
    let notes: Collection<Note> = database.collection().map_err(text)?;
    let (mut ones, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let write = |notes: &Collection<Note>| {
            let notes = notes.clone();
            move |_| {
                let notes = notes.clone();
                async move { notes.insert(Id::new(), Note { text: "x".repeat(400) }).await }
            }
        };
        let one = rate(1, write(&notes)).await?;
        let many = rate(64, write(&notes)).await?;
        ones.push(one);
        ratios.push(many / one);
    }
    table.add("durable commits, 1 writer", median(ones), "/s", Target::None);
    table.add("durable commits, 64 writers against 1", median(ratios), "times", Target::AtLeast(3.0));
    Ok(())
}

/// Reservations of one product are coalesced into one write.
async fn holds(table: &mut Table) -> Result<(), String> {
    let (_directory, database) = database("products")?;
    let bus = Bus::local();
    let app =
        products::App::start(database, &bus, Verifier::from_bus(bus.clone()), Options::default()).map_err(text)?;
    let mut products = Vec::new();
    for _ in 0..64 {
        products.push(add_product(&app).await?.id());
    }
    let hold = |products: Vec<ProductId>| {
        let bus = bus.clone();
        move |buyer: usize| {
            let (bus, product) = (bus.clone(), products[buyer % products.len()]);
            async move {
                let lines = vec![ReservationLine {
                    product,
                    quantity: Quantity::try_from(1).map_err(souk_types::Error::internal)?,
                }];
                let until = Timestamp::now().after(Duration::from_mins(15));
                bus.call(Reserve {
                    reservation: ReservationId::new(),
                    order: OrderId::new(),
                    lines,
                    expires_at: until,
                    expires_at_if_scarce: until,
                    is_first: true,
                })
                .await
                .map(drop)
            }
        }
    };
    let (mut spread, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Reservations stay in the product's document, so each round uses a fresh one.
        let hot = add_product(&app).await?.id();
        let over_many = rate(64, hold(products.clone())).await?;
        let on_one = rate(64, hold(vec![hot])).await?;
        spread.push(over_many);
        ratios.push(on_one / over_many);
    }
    table.add("64 buyers reserve, spread over 64 products", median(spread), "/s", Target::None);
    table.add("64 buyers reserve one hot product, against spread", median(ratios), "times", Target::AtLeast(0.8));
    Ok(())
}

async fn add_product(app: &products::App) -> Result<ProductView, String> {
    let body = json!({
        "name": "Sencha", "description": "Steamed green tea. ".repeat(10), "category": "tea",
        "price": {"amount": 1290, "currency": "EUR"}, "image": "/products/images/tea.svg", "available": 1_000_000_000,
    });
    let new: NewProduct = from_json(body).map_err(text)?;
    editing::create(app, new, None).await.map(|(product, _)| product).map_err(text)
}

/// Stock in a document of its own, for comparison.
#[derive(Clone, Serialize, Deserialize)]
#[serde(crate = "rocket::serde")]
struct StockBeside {
    available: u32,
    sold: u64,
}

impl Document for StockBeside {
    type Id = ProductId;
    const COLLECTION: &'static str = "stock_beside";
    const INDEXES: &'static [Index] = &[];
}

/// Compares reads with the stock embedded in the product, and with a second look-up.
async fn stock_inside_or_beside(table: &mut Table) -> Result<(), String> {
    let (_directory, database) = database("inside")?;
    let app =
        products::App::start(database.clone(), &Bus::local(), Verifier::from_bus(Bus::local()), Options::default())
            .map_err(text)?;
    let beside: Collection<StockBeside> = database.collection().map_err(text)?;
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        let id = add_product(&app).await?.id();
        beside.insert(id, StockBeside { available: 5, sold: 7 }).await.map_err(text)?;
        ids.push(id);
    }
    let one = |with_beside: bool| {
        let (app, beside, ids) = (app.clone(), beside.clone(), ids.clone());
        move |reader: usize| {
            let (app, beside, id) = (app.clone(), beside.clone(), ids[reader % ids.len()]);
            async move {
                catalogue::get(&app, id).await?;
                if with_beside {
                    beside.get(id).await?;
                }
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    };
    let page = |with_beside: bool| {
        let (app, beside) = (app.clone(), beside.clone());
        move |_| {
            let (app, beside) = (app.clone(), beside.clone());
            async move {
                let paging = Paging { after: None, limit: PageLimit::default() };
                let query = CatalogueQuery { category: None, words: None, sort: Sort::Newest, paging };
                let page = catalogue::list(&app, query).await?;
                if with_beside {
                    let ids: Vec<ProductId> = page.items.iter().map(ProductView::id).collect();
                    beside.get_many(&ids).await?;
                }
                Ok(())
            }
        }
    };
    let (mut ones, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(rate(2, one(false)).await? / rate(2, one(true)).await?);
        pages.push(rate(2, page(false)).await? / rate(2, page(true)).await?);
    }
    table.add("reading one product, stock inside against beside", median(ones), "times", Target::None);
    table.add("reading a page of 20, stock inside against beside", median(pages), "times", Target::None);
    Ok(())
}
