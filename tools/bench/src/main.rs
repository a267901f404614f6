//! Souk measured against the bare libraries, both in one run, because only a ratio says something
//! on a machine that others use too. Prints one line for each figure, with its target where there
//! is one, and ends with 1 when a target is missed.
//!
//! `cargo xtask bench` runs it in release mode. It starts what it needs on free ports and in
//! temporary directories.

mod bus;
mod fleet;
mod hot_product;
mod http;
mod mongo;
mod shop;
mod stores;
mod table;

use std::process::ExitCode;

use crate::table::Table;

fn main() -> ExitCode {
    // What Souk is measured against is a process of its own, as Souk is.
    match std::env::args().nth(1).as_deref() {
        Some("bare") => return ended(rocket::execute(http::bare())),
        Some("bare-mongo") => return ended(rocket::execute(fleet::bare())),
        Some(mongo::RIVAL) => return mongo::rival(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(table::text).and_then(|runtime| runtime.block_on(measure()));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

const PARTS: [&str; 5] = ["stores", "shop", "bus", "mongo", "fleet"];

/// Measures the parts that are named, or all.
async fn measure() -> Result<bool, String> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("there is no part {unknown}: {}", PARTS.join(", ")));
    }
    let wants = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let mut table = Table::default();
    println!("(on a machine that others use too: compare within one run)\n");
    if wants("stores") {
        stores::measure(&mut table).await?;
    }
    if wants("shop") {
        shop::measure(&mut table).await?;
    }
    if wants("bus") {
        bus::measure(&mut table).await?;
    }
    if wants("mongo") {
        mongo::measure(&mut table).await?;
    }
    if wants("fleet") {
        fleet::measure(&mut table).await?;
    }
    Ok(table.close())
}
