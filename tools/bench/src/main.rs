//! Benchmarks of Souk against the bare libraries, both in one run, because only ratios can be
//! compared on a machine that runs other work. Prints each figure with its target, and exits with 1
//! when a target is missed.
//!
//! `cargo xtask bench` runs it in release mode. It starts its servers on free ports and in
//! temporary folders.

mod bus;
mod fleet;
mod hot_product;
mod http;
mod mongo;
mod order_list;
mod pages;
mod shop;
mod stores;
mod table;

use std::process::ExitCode;

use crate::table::Table;

fn main() -> ExitCode {
    // The baseline runs in a process of its own, like Souk.
    match std::env::args().nth(1).as_deref() {
        Some("bare") => return ended(rocket::execute(http::bare())),
        Some("bare-mongo") => return ended(rocket::execute(fleet::bare())),
        Some(mongo::SECOND_PROCESS) => return mongo::second_process(),
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

const PARTS: [&str; 7] = ["stores", "shop", "orders", "pages", "bus", "mongo", "fleet"];

async fn measure() -> Result<bool, String> {
    let selected: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = selected.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("there is no part {unknown}: {}", PARTS.join(", ")));
    }
    let is_selected = |part: &str| selected.is_empty() || selected.iter().any(|name| name == part);
    let mut table = Table::default();
    println!("(figures depend on the other load of the machine: compare only within one run)\n");
    if is_selected("stores") {
        stores::measure(&mut table).await?;
    }
    if is_selected("shop") {
        shop::measure(&mut table).await?;
    }
    if is_selected("orders") {
        order_list::measure(&mut table).await?;
    }
    if is_selected("pages") {
        pages::measure(&mut table).await?;
    }
    if is_selected("bus") {
        bus::measure(&mut table).await?;
    }
    if is_selected("mongo") {
        mongo::measure(&mut table).await?;
    }
    if is_selected("fleet") {
        fleet::measure(&mut table).await?;
    }
    Ok(table.close())
}
