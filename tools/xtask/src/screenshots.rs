//! `cargo xtask screenshots`: pictures of every page.

use std::path::PathBuf;
use std::process::Command;

use fleet::ChromeDriver;

use crate::command::{build_programs, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder for the pictures; `target/screenshots` by default
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only pages whose names contain one of these words, such as `admin-order`; all by default
    pages: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    ChromeDriver::ensure_installed().map_err(|error| error.to_string())?;
    build_programs(&["screenshots"], false)?;
    let programs = fleet::target_dir().join("debug");
    let to = options.to.clone().unwrap_or_else(|| fleet::target_dir().join("screenshots"));
    let mut screenshots = Command::new(programs.join("screenshots"));
    screenshots.arg("--to").arg(to).args(&options.pages).env("SOUK_BIN", programs.join("souk"));
    run_command(&mut screenshots)
}
