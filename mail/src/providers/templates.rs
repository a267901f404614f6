//! The templates of mails: Souk's own, of which an operator's folder replaces single files. A file
//! `<kind>.txt` begins with the line `Subject: ...`; the text follows after an empty line. Each
//! language has a folder: `en/`, `de/`. Files of the operator outside of these folders are English,
//! as in the releases that wrote all mails in English.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use souk_types::Language;

use crate::domain::content::{self, Content, Kind};
use crate::domain::message::{Line, Rendered};

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(
        (concat!("en/", $name), include_str!(concat!("../../templates/en/", $name))),
        (concat!("de/", $name), include_str!(concat!("../../templates/de/", $name))),
    )*] };
}

const FILES: &[(&str, &str)] = files!(
    "layout.html",
    "order.html",
    "order.txt",
    "shop.txt",
    "order-received.html",
    "order-received.txt",
    "payment-failed.html",
    "payment-failed.txt",
    "payment-waiting.html",
    "payment-waiting.txt",
    "parcel-sent.html",
    "parcel-sent.txt",
    "order-refunded.html",
    "order-refunded.txt",
    "order-cancelled.html",
    "order-cancelled.txt",
    "verify-address.html",
    "verify-address.txt",
    "reset-password.html",
    "reset-password.txt",
    "address-changed.html",
    "address-changed.txt",
    "password-changed.html",
    "password-changed.txt",
    "second-step-on.html",
    "second-step-on.txt",
    "second-step-off.html",
    "second-step-off.txt",
    "passkey-added.html",
    "passkey-added.txt",
    "passkey-removed.html",
    "passkey-removed.txt",
    "account-erased.html",
    "account-erased.txt",
);

/// The parts that other templates extend or include. They are also known without their folder.
const PARTS: [&str; 4] = ["layout.html", "order.html", "order.txt", "shop.txt"];

/// The templates of all mails.
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    /// Loads the templates and tries each of them.
    ///
    /// # Errors
    /// One message for each file that is unknown, unreadable or broken.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let (mut sources, mut problems) = (own_files(), Vec::new());
        if let Some(folder) = folder {
            replace_files(&mut sources, folder, &mut problems);
        }
        for part in PARTS {
            let english = sources.get(&in_folder(Language::English, part)).cloned().unwrap_or_default();
            sources.insert(part.to_owned(), english);
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            Ok(syntax) => environment.set_syntax(syntax),
            Err(error) => problems.push(error.to_string()),
        }
        // The subject of a mail is a template of its own, which is text.
        environment.set_auto_escape_callback(|name| {
            let is_html = Path::new(name).extension().is_some_and(|extension| extension == "html");
            if is_html { AutoEscape::Html } else { AutoEscape::None }
        });
        for (language, kind) in Language::ALL.into_iter().flat_map(|language| Kind::ALL.map(|kind| (language, kind))) {
            let name = text_file(language, kind);
            let text = sources.remove(&name).unwrap_or_default();
            match split_subject(&text) {
                Some((subject, body)) => {
                    sources.insert(subject_template(language, kind), subject);
                    sources.insert(name, body);
                }
                None => problems.push(format!("{name} must begin with a line `Subject: ...` and an empty line")),
            }
        }
        let mut names: Vec<String> = sources.keys().cloned().collect();
        names.sort();
        for name in names {
            let source = sources.remove(&name).unwrap_or_default();
            if let Err(error) = environment.add_template_owned(name.clone(), source) {
                problems.push(format!("{name}: {error}"));
            }
        }
        let templates = Self(environment);
        if problems.is_empty() {
            let samples = Language::ALL.into_iter().flat_map(content::samples);
            problems.extend(samples.filter_map(|sample| templates.render(&sample).err()));
        }
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// Errors: a template uses a variable that does not exist, or fails otherwise.
    pub(crate) fn render(&self, content: &Content) -> Result<Rendered, String> {
        let (language, kind) = (content.language(), content.kind());
        let render = |name: &str| {
            let template = self.0.get_template(name).map_err(|error| format!("{name}: {error}"))?;
            template.render(Serde(content.variables())).map_err(|error| format!("{name}: {error}"))
        };
        Ok(Rendered {
            subject: Line::new(&render(&subject_template(language, kind))?),
            text: render(&text_file(language, kind))?,
            html: render(&in_folder(language, &format!("{}.html", kind.name())))?,
        })
    }
}

fn text_file(language: Language, kind: Kind) -> String {
    in_folder(language, &format!("{}.txt", kind.name()))
}

fn subject_template(language: Language, kind: Kind) -> String {
    in_folder(language, &format!("{}.subject", kind.name()))
}

fn in_folder(language: Language, file: &str) -> String {
    format!("{}/{file}", language.tag())
}

fn own_files() -> HashMap<String, String> {
    FILES.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
}

/// Replaces templates by the files of the operator. There need not be all.
fn replace_files(sources: &mut HashMap<String, String>, folder: &Path, problems: &mut Vec<String>) {
    for entry in entries(folder, problems) {
        let name = entry.file_name().to_string_lossy().into_owned();
        match Language::from_tag(&name) {
            Some(language) => {
                for entry in entries(&entry.path(), problems) {
                    replace_file(sources, language, &entry, problems);
                }
            }
            None => replace_file(sources, Language::English, &entry, problems),
        }
    }
}

fn replace_file(
    sources: &mut HashMap<String, String>,
    language: Language,
    file: &fs::DirEntry,
    problems: &mut Vec<String>,
) {
    let name = file.file_name().to_string_lossy().into_owned();
    match (sources.get_mut(&in_folder(language, &name)), fs::read_to_string(file.path())) {
        (Some(source), Ok(text)) => *source = text,
        (Some(_), Err(error)) => problems.push(format!("{name} cannot be read: {error}")),
        // Such as the hidden files of Kubernetes' volumes and of editors.
        (None, _) if name.starts_with('.') => {}
        (None, _) => {
            let mut known: Vec<&str> = FILES.iter().filter_map(|(name, _)| name.strip_prefix("en/")).collect();
            known.sort_unstable();
            problems.push(format!("{name} is no template; the templates are {}", known.join(", ")));
        }
    }
}

fn entries(folder: &Path, problems: &mut Vec<String>) -> Vec<fs::DirEntry> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    entries.unwrap_or_else(|error| {
        problems.push(format!("{} cannot be read: {error}", folder.display()));
        Vec::new()
    })
}

fn split_subject(text: &str) -> Option<(String, String)> {
    let (first, body) = text.split_once('\n')?;
    let subject = first.strip_prefix("Subject:")?.trim();
    let body = body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n'))?;
    (!subject.is_empty()).then(|| (subject.to_owned(), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, source) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, source).unwrap();
        }
        folder
    }

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        Templates::load(Some(folder(files).path())).err().unwrap_or_default()
    }

    #[test]
    fn the_own_templates_render_every_kind() {
        let templates = Templates::load(None).map_err(|problems| problems.join("\n")).unwrap();
        for sample in Language::ALL.into_iter().flat_map(content::samples) {
            let mail = templates.render(&sample).unwrap();
            let name = sample.kind().name();
            assert!(
                !mail.subject.as_str().is_empty() && mail.text.contains("Souk") && mail.html.contains("Souk"),
                "{name}"
            );
            let html = format!("<!doctype html>\n<html lang=\"{}\">", sample.language().tag());
            assert!(mail.html.starts_with(&html), "{name}");
            assert!(!mail.text.contains("\n\n\n"), "{name} has a gap:\n{}", mail.text);
            assert!(!mail.text.contains('<'), "{name} has HTML in its text");
        }
    }

    #[test]
    fn a_file_of_the_operator_replaces_one_template() {
        for name in ["order-received.txt", "en/order-received.txt"] {
            let of_operator = folder(&[(name, "Subject: {{ order.number }} - obrigado\n\nOlá\n")]);
            let templates = Templates::load(Some(of_operator.path())).map_err(|problems| problems.join("\n")).unwrap();
            let samples = content::samples(Language::English);
            let mail = templates.render(&samples[0]).unwrap();
            assert_eq!((mail.subject.as_str(), mail.text.trim()), ("S-10042 - obrigado", "Olá"));
            assert!(mail.html.contains("S-10042"));
            assert!(!templates.render(&samples[1]).unwrap().text.contains("Olá"));
            let german = &content::samples(Language::German)[0];
            assert!(templates.render(german).unwrap().text.contains("Danke"));
        }
    }

    #[test]
    fn templates_of_the_release_before_still_work() {
        let page = "{% extends \"layout.html\" %}{% block content %}{% include \"order.html\" %}{% endblock %}";
        let of_operator =
            folder(&[("layout.html", "<p>Own</p>{% block content %}{% endblock %}"), ("order-received.html", page)]);
        let templates = Templates::load(Some(of_operator.path())).map_err(|problems| problems.join("\n")).unwrap();
        let mail = templates.render(&content::samples(Language::English)[0]).unwrap();
        assert!(mail.html.starts_with("<p>Own</p>") && mail.html.contains("S-10042"), "{}", mail.html);
    }

    #[test]
    fn broken_templates_are_reported_with_their_names() {
        for (name, source, words) in [
            ("en/order-received.txt", "no subject", "Subject:"),
            ("en/order-received.txt", "Subject: a\nno empty line", "empty line"),
            ("en/order-received.html", "{% if %}", "order-received.html"),
            ("de/verify-address.html", "{{ account.tokn }}", "de/verify-address.html"),
            ("en/parcel-sent.txt", "Subject: {{ ordr.number }}\n\n", "en/parcel-sent.subject"),
            ("en/orders.txt", "", "order-received.txt"),
            ("fr/order-received.txt", "", "fr is no template"),
            ("orders.txt", "", "order-received.txt"),
        ] {
            let found = problems(&[(name, source)]);
            assert!(found.len() == 1 && found[0].contains(words), "{name}: {found:?}");
        }
        assert!(problems(&[(".hidden", "")]).is_empty());
        let missing = Templates::load(Some(Path::new("/nowhere"))).err().unwrap();
        assert!(missing[0].contains("/nowhere"));
    }

    #[test]
    fn values_are_escaped_in_html() {
        let name = "<b>Tea & \"Co\"</b>";
        let templates = Templates::load(None).map_err(|problems| problems.join("\n")).unwrap();
        let environment = &templates.0;
        let shown = |template: &str| {
            let lines = minijinja::context! { v => name };
            environment.template_from_named_str(template, "{{ v }}").unwrap().render(lines).unwrap()
        };
        assert!(!shown("a.html").contains('<'));
        assert_eq!(shown("a.txt"), name);
    }
}
