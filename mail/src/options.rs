//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use std::path::PathBuf;

use souk_http::config::{Environment, HttpUrl};
use souk_types::Email;

use crate::domain::content::Links;
use crate::domain::message::Sender;
use crate::providers::smtp::SmtpServer;
use crate::providers::templates::Templates;
use crate::providers::transport::MailTransportOptions;

/// The sender of mails that are only files, in a domain that does not exist (RFC 6761).
const SENDER_OF_FILES: &str = "no-reply@shop.invalid";

/// Values of a shop that its environment need not name.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The directory of mails without an SMTP server. A fleet has none.
    pub directory: Option<PathBuf>,
    /// The address of the shop.
    pub public_url: Option<String>,
}

/// The settings of the service.
pub struct Options {
    pub(crate) transport: MailTransportOptions,
    pub(crate) sender: Sender,
    pub(crate) templates: Templates,
}

impl Options {
    /// Returns the directory that mails are written to, in a shop without an SMTP server.
    #[must_use]
    pub fn directory(&self) -> Option<&std::path::Path> {
        match &self.transport {
            MailTransportOptions::Directory(directory) => Some(directory),
            MailTransportOptions::Smtp(_) => None,
        }
    }

    /// Reads the variables and collects problems; `None` when there is one.
    pub fn read(environment: &mut Environment, defaults: &Defaults) -> Option<Self> {
        let transport = read_transport(environment, defaults);
        let from = match &transport {
            Some(MailTransportOptions::Directory(_)) => {
                environment.optional("MAIL_FROM").or_else(|| SENDER_OF_FILES.parse().ok())
            }
            _ => environment.required::<Email>("MAIL_FROM"),
        };
        let public_url = match &defaults.public_url {
            Some(default) => environment.optional("PUBLIC_URL").or_else(|| default.parse().ok()),
            None => environment.required::<HttpUrl>("PUBLIC_URL"),
        };
        let folder: Option<PathBuf> = environment.optional("MAIL_TEMPLATES");
        let templates = Templates::load(folder.as_deref());
        let templates = templates.map_err(|problems| {
            for problem in problems {
                environment.add_problem(format!("MAIL_TEMPLATES: {problem}"));
            }
        });
        let sender = Sender::new(from?, Links::new(public_url?.as_str()));
        Some(Self { transport: transport?, sender, templates: templates.ok()? })
    }
}

fn read_transport(environment: &mut Environment, defaults: &Defaults) -> Option<MailTransportOptions> {
    let server: Option<SmtpServer> = environment.optional("SMTP_URL");
    let (username, password) = (environment.optional("SMTP_USERNAME"), environment.optional("SMTP_PASSWORD"));
    let directory: Option<PathBuf> = environment.optional("MAIL_DIRECTORY");
    if let Some(server) = server {
        if directory.is_some() {
            environment.add_problem("SMTP_URL and MAIL_DIRECTORY are both set: choose one");
        }
        let server = server.with_credentials(username, password);
        return server.map(MailTransportOptions::Smtp).map_err(|problem| environment.add_problem(problem)).ok();
    }
    if username.is_some() || password.is_some() {
        environment.add_problem("SMTP_USERNAME and SMTP_PASSWORD need SMTP_URL");
    }
    let named = directory.or_else(|| defaults.directory.clone());
    if named.is_none() && !environment.has("SMTP_URL") {
        environment.add_problem(
            "SMTP_URL is missing: name the SMTP server that sends mails to customers, or name a directory for them with \
             MAIL_DIRECTORY, which sends none",
        );
    }
    named.map(MailTransportOptions::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_names_where_its_mails_go() {
        let (url, from) = (("PUBLIC_URL", "https://shop.example.com"), ("MAIL_FROM", "shop@example.com"));
        let smtp = ("SMTP_URL", "smtps://mail.example.com");
        for (variables, problem) in [
            (&[url, from, smtp][..], None),
            (&[url, ("MAIL_DIRECTORY", "/tmp/mail")], None),
            (&[url, from], Some("SMTP_URL is missing")),
            (&[url, smtp], Some("MAIL_FROM is missing")),
            (&[from, smtp], Some("PUBLIC_URL is missing")),
            (&[url, from, ("SMTP_URL", "mail.example.com")], Some("SMTP_URL: must be a URL")),
            (&[url, from, smtp, ("MAIL_DIRECTORY", "/tmp/mail")], Some("choose one")),
            (&[url, from, smtp, ("SMTP_USERNAME", "u")], Some("needs a password")),
            (&[url, from, smtp, ("MAIL_TEMPLATES", "/nowhere")], Some("MAIL_TEMPLATES: /nowhere")),
            (&[url, ("MAIL_DIRECTORY", "/tmp"), ("SMTP_PASSWORD", "p")], Some("need SMTP_URL")),
        ] {
            let mut environment = Environment::from_pairs(variables.iter().copied());
            let options = Options::read(&mut environment, &Defaults::default());
            let problems = environment.problems();
            match problem {
                None => assert!(options.is_some() && problems.is_empty(), "{variables:?}: {problems:?}"),
                Some(words) => {
                    assert!(problems.len() == 1 && problems[0].contains(words), "{variables:?}: {problems:?}");
                }
            }
        }
    }

    #[test]
    fn a_shop_in_one_process_needs_no_variable() {
        let defaults =
            Defaults { directory: Some("./data/mail".into()), public_url: Some("http://127.0.0.1:8000".to_owned()) };
        let mut environment = Environment::from_pairs([]);
        assert!(Options::read(&mut environment, &defaults).is_some() && environment.problems().is_empty());
    }
}
