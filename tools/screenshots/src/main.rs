//! Writes a picture of every page of a shop, narrow and wide, in light and dark colours. The shop
//! is one process with the sample catalogue and orders in several states. `cargo xtask screenshots`
//! runs it.

mod camera;
mod pages;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use journeys::TestShop;

use crate::camera::Folder;
use crate::sample::Sample;

/// Write a picture of every page
#[derive(Parser)]
#[command(name = "screenshots")]
struct Options {
    /// The folder for the pictures; it is created if necessary
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only pages whose names contain one of these words; all by default
    pages: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(options)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("screenshots: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let folder = Folder::create(options.to, options.pages)?;
    let shop = TestShop::start_with(&["--log", "warn"]).await;
    let sample = Sample::fill(&shop).await?;
    pages::of_visitors(&shop, &sample, &folder).await?;
    pages::of_customers(&shop, &sample, &folder).await?;
    pages::of_admins(&shop, &sample, &folder).await?;
    println!("{} pictures in {}", folder.written(), folder.path().display());
    Ok(())
}
