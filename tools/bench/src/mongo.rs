//! The MongoDB store against the bare driver, on the server of `MONGODB_URI`: updates of one hot
//! document, from one process and from two, reads by id, and updates that change nothing.

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use mongodb::options::{Acknowledgment, WriteConcern};
use rocket::serde::{Deserialize, Serialize};
use souk_store::{Collection, Database, Document};
use souk_types::Id;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;

use crate::table::{Table, Target, median, number, text};

pub(crate) const SECOND_PROCESS: &str = "mongo-second-process";
const CALLERS: usize = 64;
const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// Updates that change nothing, one after another.
const UNCHANGED: usize = 200;

/// A product of realistic size with the fields of a sale.
#[derive(Clone, Serialize, Deserialize)]
#[serde(crate = "rocket::serde")]
struct StockedProduct {
    name: String,
    description: String,
    available: i64,
    sold: i64,
}

impl Document for StockedProduct {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "shelves";
}

impl StockedProduct {
    fn full() -> Self {
        let description = "Steamed green tea. ".repeat(10);
        Self { name: "Sencha".to_owned(), description, available: 1_000_000_000, sold: 0 }
    }
}

#[derive(Clone)]
struct BenchDatabase {
    uri: String,
    database: String,
}

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let Ok(uri) = std::env::var("MONGODB_URI") else {
        println!("MongoDB: skipped, because MONGODB_URI is not set");
        return Ok(());
    };
    let target = BenchDatabase { uri, database: format!("souk-bench-{}", Id::<StockedProduct>::new()) };
    let measured = holds(table, &target).await;
    let measured = if measured.is_ok() { reads(table, &target).await } else { measured };
    let measured = if measured.is_ok() { unchanged(table, &target).await } else { measured };
    driver(&target).await?.drop().await.map_err(text)?;
    measured
}

async fn holds(table: &mut Table, target: &BenchDatabase) -> Result<(), String> {
    let (mut bare, mut alone, mut against) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one_each = one_each(target).await?;
        bare.push(one_each);
        alone.push(coalesced(target, fresh(target).await?).await? / one_each);
        against.push(two_processes(target).await? / one_each);
    }
    table.add("MongoDB: 64 sales of one product, one update each", median(bare), "/s", Target::None);
    table.add("the same coalesced, against that", median(alone), "times", Target::AtLeast(5.0));
    table.add("the same coalesced in two processes, against that", median(against), "times", Target::AtLeast(3.0));
    Ok(())
}

async fn driver(target: &BenchDatabase) -> Result<mongodb::Database, String> {
    let mut options = mongodb::options::ClientOptions::parse(&target.uri).await.map_err(text)?;
    options.max_pool_size = Some(64);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    let client = mongodb::Client::with_options(options).map_err(text)?;
    Ok(client.database(&target.database))
}

fn shelves(target: &BenchDatabase) -> Result<Collection<StockedProduct>, String> {
    Database::mongodb("bench", &target.uri, &target.database).and_then(|database| database.collection()).map_err(text)
}

async fn fresh(target: &BenchDatabase) -> Result<Id<StockedProduct>, String> {
    let id = Id::new();
    shelves(target)?.insert(id, StockedProduct::full()).await.map_err(text)?;
    Ok(id)
}

/// Operations per second of 64 concurrent callers.
async fn rate<F>(work: impl Fn() -> F + Clone + Send + 'static) -> Result<f64, String>
where
    F: Future<Output = Result<(), String>> + Send,
{
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..CALLERS {
        let work = work.clone();
        running.spawn(async move {
            let mut done = 0;
            while started.elapsed() < TIME {
                work().await?;
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

async fn one_each(target: &BenchDatabase) -> Result<f64, String> {
    let id = fresh(target).await?.to_string();
    let shelves = driver(target).await?.collection::<mongodb::bson::Document>(StockedProduct::COLLECTION);
    rate(move || {
        let (id, shelves) = (id.clone(), shelves.clone());
        async move {
            let enough = doc! {"_id": id, "doc.available": {"$gte": 1}};
            let sale = doc! {"$inc": {"doc.available": -1, "doc.sold": 1}};
            shelves.update_one(enough, sale).await.map(drop).map_err(text)
        }
    })
    .await
}

async fn coalesced(target: &BenchDatabase, id: Id<StockedProduct>) -> Result<f64, String> {
    let shelves = shelves(target)?;
    rate(move || {
        let shelves = shelves.clone();
        async move {
            let sale = |product: &mut StockedProduct, _: &mut _| {
                product.available -= 1;
                product.sold += 1;
                Ok(())
            };
            shelves.update(id, sale).await.map_err(text)
        }
    })
    .await
}

async fn two_processes(target: &BenchDatabase) -> Result<f64, String> {
    let id = fresh(target).await?;
    let program = std::env::current_exe().map_err(text)?;
    let mut second_process = tokio::process::Command::new(program)
        .args([SECOND_PROCESS, &target.database, &id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(text)?;
    let (mut input, output) =
        (second_process.stdin.take().ok_or("no stdin")?, second_process.stdout.take().ok_or("no stdout")?);
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new()).await.map_err(text)?;
    input.write_all(b"\n").await.map_err(text)?;
    let own = coalesced(target, id).await?;
    let mut other = String::new();
    output.read_to_string(&mut other).await.map_err(text)?;
    Ok(own + other.trim().parse::<f64>().map_err(|_| format!("the other process: {other}"))?)
}

/// The second process: prints that it is ready, waits for a line, and prints its rate.
pub(crate) fn second_process() -> ExitCode {
    let measured = || {
        let mut arguments = std::env::args().skip(2);
        let (database, id) = (arguments.next().ok_or("no database")?, arguments.next().ok_or("no id")?);
        let target = BenchDatabase { uri: std::env::var("MONGODB_URI").map_err(text)?, database };
        let id = id.parse().map_err(text)?;
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).map_err(text)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(text)?;
        runtime.block_on(async {
            let rate = coalesced(&target, id).await;
            // The driver ends its sessions in the background and panics without a runtime.
            tokio::time::sleep(Duration::from_millis(200)).await;
            rate
        })
    };
    match measured() {
        Ok(rate) => {
            println!("{rate}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Deserialised by the driver.
#[derive(Serialize, Deserialize)]
#[serde(crate = "rocket::serde")]
struct RawProduct {
    doc: StockedProduct,
}

async fn reads(table: &mut Table, target: &BenchDatabase) -> Result<(), String> {
    let (id, shelves) = (fresh(target).await?, shelves(target)?);
    let bare = driver(target).await?.collection::<RawProduct>(StockedProduct::COLLECTION);
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare = bare.clone();
        let of_driver = rate(move || {
            let (bare, id) = (bare.clone(), id.to_string());
            async move { bare.find_one(doc! {"_id": id}).await.map(drop).map_err(text) }
        });
        let of_driver = of_driver.await?;
        let shelves = shelves.clone();
        let own = rate(move || {
            let shelves = shelves.clone();
            async move { shelves.get(id).await.map(drop).map_err(text) }
        });
        ratios.push(own.await? / of_driver);
        rates.push(of_driver);
    }
    table.add("MongoDB: find by id with the bare driver, 64 callers", median(rates), "/s", Target::None);
    table.add("the same by the store, against that", median(ratios), "times", Target::AtLeast(0.85));
    Ok(())
}

/// One caller, whose update changes nothing. The result must still be the newest.
async fn unchanged(table: &mut Table, target: &BenchDatabase) -> Result<(), String> {
    let (present, absent, shelves) = (fresh(target).await?, Id::new(), shelves(target)?);
    for (what, id) in [("that changes nothing", present), ("of a missing document", absent)] {
        let mut times = Vec::new();
        for _ in 0..UNCHANGED {
            let started = Instant::now();
            shelves.upsert(id, |_, _| Ok(())).await.map_err(text)?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        table.add(&format!("MongoDB: an update {what}, p50"), median(times), "ms", Target::AtMost(10.0));
    }
    Ok(())
}
