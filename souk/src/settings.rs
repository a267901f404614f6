//! The settings of `souk up`: flags, environment variables, the file `souk.toml`, defaults.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;
use souk_http::telemetry::{Dsn, Format, Reporting};

/// Read from the working directory when `--config` is not given.
const DEFAULT_FILE: &str = "souk.toml";
const DEFAULT_DATA: &str = "./data";

pub(crate) const FILE_HELP: &str = "\
The same options in souk.toml:

  address = \"127.0.0.1\"
  port = 8000
  data = \"./data\"
  memory = false
  demo = true
  log = \"info\"
  log_format = \"text\"
  sentry_dsn = \"https://key@sentry.example/1\"
  environment = \"local\"";

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Port to listen on; 0 chooses a free one [default: 8000]
    #[arg(long, env = "SOUK_PORT")]
    port: Option<u16>,
    /// Address to listen on; 0.0.0.0 admits other machines [default: 127.0.0.1]
    #[arg(long, env = "SOUK_ADDRESS")]
    address: Option<IpAddr>,
    /// Directory of the databases and the signing key [default: ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Store nothing: use a temporary directory, which is deleted at the end
    #[arg(long, env = "SOUK_MEMORY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "true|false")]
    memory: Option<bool>,
    /// Do not load the sample catalogue into an empty shop
    #[arg(long, env = "SOUK_NO_DEMO", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "true|false")]
    no_demo: Option<bool>,
    /// Log level (error, warn, info, debug), or a list of target=level [default: info]
    #[arg(long, env = "SOUK_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Log format: json or text [default: text on a terminal, else json]
    #[arg(long, env = "SOUK_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<Format>,
    /// Sentry project that unexpected errors are reported to
    #[arg(long, env = "SENTRY_DSN", value_name = "DSN", hide_env_values = true)]
    sentry_dsn: Option<Dsn>,
    /// Name of the environment in Sentry reports [default: local]
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
    /// File with these options [default: souk.toml, if it exists]
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
    /// `None`: use a temporary directory.
    pub(crate) data: Option<PathBuf>,
    pub(crate) loads_sample_catalogue: bool,
    pub(crate) log: String,
    pub(crate) log_format: Option<Format>,
    pub(crate) reporting: Option<Reporting>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    port: Option<u16>,
    address: Option<IpAddr>,
    data: Option<PathBuf>,
    memory: Option<bool>,
    demo: Option<bool>,
    log: Option<String>,
    log_format: Option<String>,
    sentry_dsn: Option<String>,
    environment: Option<String>,
}

impl UpArgs {
    pub(crate) fn resolve(self) -> Result<Settings, String> {
        let file = File::load(self.config.as_deref())?;
        self.with_file(file)
    }

    fn with_file(self, file: File) -> Result<Settings, String> {
        // `--data` overrides `memory = true` in the file.
        let memory = self.memory.or(self.data.is_some().then_some(false)).or(file.memory).unwrap_or(false);
        let data = self.data.or(file.data).unwrap_or_else(|| DEFAULT_DATA.into());
        let format = |text: String| text.parse().map_err(|problem| format!("log_format {problem}"));
        let dsn = |text: String| text.parse().map_err(|problem| format!("sentry_dsn {problem}"));
        let reporting = |dsn| Reporting {
            dsn,
            environment: self.environment.or(file.environment).unwrap_or_else(|| "local".to_owned()),
            release: format!("souk@{}", env!("CARGO_PKG_VERSION")),
        };
        Ok(Settings {
            port: self.port.or(file.port).unwrap_or(8000),
            address: self.address.or(file.address).unwrap_or(IpAddr::from([127, 0, 0, 1])),
            data: (!memory).then_some(data),
            loads_sample_catalogue: self.no_demo.map(|no| !no).or(file.demo).unwrap_or(true),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: self.log_format.or(file.log_format.map(format).transpose()?),
            reporting: self.sentry_dsn.or(file.sentry_dsn.map(dsn).transpose()?).map(reporting),
        })
    }
}

/// Returns the data directory of a shop when no flag names it: that of the file, or the default.
pub(crate) fn data_directory(config: Option<&Path>) -> Result<PathBuf, String> {
    Ok(File::load(config)?.data.unwrap_or_else(|| DEFAULT_DATA.into()))
}

impl File {
    fn load(config: Option<&Path>) -> Result<Self, String> {
        match config {
            Some(path) => Self::read(path),
            None if Path::new(DEFAULT_FILE).exists() => Self::read(Path::new(DEFAULT_FILE)),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
        toml::from_str(&text).map_err(|error| unreadable(&error.to_string().trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Command, Souk};

    fn resolve(arguments: &[&str], file: &str) -> Settings {
        let souk = Souk::try_parse_from(["souk"].iter().chain(arguments)).unwrap();
        let Command::Up(up) = souk.command() else { panic!("not up") };
        up.with_file(toml::from_str(file).unwrap()).unwrap()
    }

    #[test]
    fn a_flag_overrides_the_file_and_the_file_the_default() {
        let file = "port = 9000\ndemo = false\nmemory = true\nlog = \"warn\"";
        let settings = resolve(&[], file);
        assert_eq!(
            (settings.port, settings.loads_sample_catalogue, settings.data, &*settings.log),
            (9000, false, None, "warn")
        );
        let settings = resolve(&["up", "--port", "7", "--no-demo=false", "--memory=false"], file);
        assert_eq!((settings.port, settings.loads_sample_catalogue, settings.data), (7, true, Some("./data".into())));
        assert_eq!(resolve(&[], "").port, 8000);
        assert_eq!(resolve(&["--memory"], "").data, None);
        assert_eq!(resolve(&["--data", "d"], file).data, Some("d".into()), "--data overrides the file's memory");
        assert_eq!(resolve(&["--data", "d", "--memory"], file).data, None);
        let sentry = "sentry_dsn = \"https://key@sentry.example/1\"\nenvironment = \"qa\"";
        assert_eq!(resolve(&[], sentry).reporting.unwrap().environment, "qa");
        assert!(resolve(&[], "environment = \"qa\"").reporting.is_none());
    }

    #[test]
    fn a_file_with_an_unknown_option_is_refused() {
        assert!(toml::from_str::<File>("prot = 9000").is_err());
    }
}
