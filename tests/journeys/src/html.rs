//! Just enough HTML to send the forms of a page as a browser does. The pages are well formed, with
//! attributes in double quotes.

/// A form of a page, with the values that it has when the page is shown.
#[derive(Debug, Clone)]
pub struct HtmlForm {
    /// The address that it is sent to.
    pub action: String,
    /// Whether it is sent as a body; otherwise in the address.
    pub is_post: bool,
    fields: Vec<(String, String)>,
    /// The names and values of radio buttons and check boxes that are not chosen.
    choices: Vec<(String, String)>,
    /// The names of hidden fields.
    hidden: Vec<String>,
    /// Whether it is sent as `multipart/form-data`, with its files.
    is_multipart: bool,
    /// The name of the field with a file, and the file that is chosen.
    file: Option<(String, Vec<u8>)>,
}

/// A start tag with its attributes.
pub(crate) struct Element<'h> {
    tag: &'h str,
    attributes: &'h str,
    /// The page after the tag.
    rest: &'h str,
}

impl HtmlForm {
    /// Returns the value of a field.
    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(given, _)| given == name);
        field.map_or_else(|| panic!("{} has no field {name}", self.action), |(_, value)| value.as_str())
    }

    /// Types a value into a field of the form, or chooses a radio button or a check box.
    #[track_caller]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if let Some(field) = self.fields.iter_mut().find(|(given, _)| given == name) {
            value.clone_into(&mut field.1);
            return self;
        }
        let is_offered = self.choices.iter().any(|(given, offered)| given == name && offered == value);
        assert!(is_offered, "{} has no field {name} with {value}", self.action);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Types the same text into every field that is not hidden, and chooses nothing.
    pub fn fill(mut self, text: &str) -> Self {
        let is_hidden = |name: &str| self.hidden.iter().any(|hidden| hidden == name);
        for (_, value) in self.fields.iter_mut().filter(|(name, _)| !is_hidden(name)) {
            text.clone_into(value);
        }
        self
    }

    /// Presses a button that has a name.
    pub fn press(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes a field whether or not the form has it, as an attacker does.
    pub fn forge(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(given, _)| given != name);
        self.press(name, value)
    }

    /// Chooses a file.
    #[track_caller]
    pub fn choose(mut self, file: impl Into<Vec<u8>>) -> Self {
        let (_, chosen) = self.file.as_mut().unwrap_or_else(|| panic!("{} has no field for a file", self.action));
        *chosen = file.into();
        self
    }

    /// Returns the fields, percent-encoded.
    pub fn encode(&self) -> String {
        let pairs = self.fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Returns the content type and the body of the request.
    pub fn body(&self) -> (&'static str, Vec<u8>) {
        if !self.is_multipart {
            return ("application/x-www-form-urlencoded", self.encode().into_bytes());
        }
        let mut body = Vec::new();
        let mut add = |header: String, content: &[u8]| {
            body.extend(format!("--SoukJourney\r\nContent-Disposition: form-data; {header}\r\n\r\n").bytes());
            body.extend_from_slice(content);
            body.extend(b"\r\n");
        };
        for (name, value) in &self.fields {
            add(format!("name=\"{name}\""), value.as_bytes());
        }
        if let Some((name, file)) = &self.file {
            add(format!("name=\"{name}\"; filename=\"file\"\r\nContent-Type: application/octet-stream"), file);
        }
        body.extend(b"--SoukJourney--\r\n");
        ("multipart/form-data; boundary=SoukJourney", body)
    }
}

/// Returns the forms of a page.
pub(crate) fn forms(html: &str) -> Vec<HtmlForm> {
    let form = |element: Element<'_>| {
        let content = element.rest.split("</form>").next().unwrap_or_default();
        let (mut fields, mut choices, mut hidden, mut file) = (Vec::new(), Vec::new(), Vec::new(), None);
        for field in elements(content, &["input", "select", "textarea"]) {
            let Some(name) = field.attribute("name") else { continue };
            let kind = field.attribute("type").unwrap_or_default();
            if kind == "hidden" {
                hidden.push(name.clone());
            }
            if kind == "file" {
                file = Some((name, Vec::new()));
            } else if matches!(kind.as_str(), "radio" | "checkbox") && !field.has("checked") {
                choices.push((name, field.value()));
            } else {
                fields.push((name, field.value()));
            }
        }
        let is_post = element.attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        let is_multipart = element.attribute("enctype").is_some_and(|enctype| enctype == "multipart/form-data");
        let action = element.attribute("action").unwrap_or_default();
        HtmlForm { action, is_post, fields, choices, hidden, is_multipart, file }
    };
    elements(html, &["form"]).map(form).collect()
}

/// Returns the start tags of these elements.
pub(crate) fn elements<'h>(html: &'h str, tags: &[&str]) -> impl Iterator<Item = Element<'h>> {
    let elements = html.match_indices('<').filter_map(|(at, _)| {
        let (inside, rest) = html[at + 1..].split_once('>')?;
        let (tag, attributes) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        Some(Element { tag, attributes, rest })
    });
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    elements.filter(move |element| tags.iter().any(|tag| tag == element.tag))
}

impl Element<'_> {
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let marked = format!(" {}", self.attributes);
        let (_, rest) = marked.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| decode(value))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes.split_whitespace().any(|attribute| attribute == name)
    }

    fn value(&self) -> String {
        match self.tag {
            "textarea" => decode(self.rest.split("</textarea>").next().unwrap_or_default().trim_start_matches('\n')),
            "select" => {
                let options = self.rest.split("</select>").next().unwrap_or_default();
                let mut first = None;
                for option in elements(options, &["option"]) {
                    let value = option.attribute("value").unwrap_or_default();
                    if option.has("selected") {
                        return value;
                    }
                    first.get_or_insert(value);
                }
                first.unwrap_or_default()
            }
            _ => self.attribute("value").unwrap_or_default(),
        }
    }
}

/// Returns the visible text of a page: without tags, with single spaces.
pub(crate) fn text(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let parts = body.split('<').enumerate().map(|(at, part)| match (at, part.split_once('>')) {
        (0, _) | (_, None) => part,
        (_, Some((_, text))) => text,
    });
    let text = decode(&parts.collect::<Vec<_>>().join(" ")).replace('\u{a0}', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn decode(text: &str) -> String {
    let mut decoded = text.to_owned();
    for (entity, letter) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")] {
        decoded = decoded.replace(entity, letter);
    }
    decoded
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encode(text: &str) -> String {
    let encode =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_values_that_a_browser_sends() {
        let html = r#"<body><form method="post" action="/a?x=1&#38;y"><input name="k" type="hidden" value="a&#34;b">
            <input type="radio" name="r" value="1"><input type="radio" name="r" value="2" checked>
            <select name="s"><option value="">-</option><option value="DE" selected>Germany</option></select>
            <textarea name="t">
two
lines</textarea><button name="action">Go</button></form><p>1&#38;2 <b>x</b></p>"#;
        let form = forms(html).remove(0);
        assert_eq!((form.action.as_str(), form.is_post), ("/a?x=1&y", true));
        for (name, value) in [("k", "a\"b"), ("r", "2"), ("s", "DE"), ("t", "two\nlines")] {
            assert_eq!(form.value(name), value);
        }
        assert_eq!(form.set("s", "A&B").press("action", "go").encode(), "k=a%22b&r=2&s=A%26B&t=two%0Alines&action=go");
        assert!(text(html).ends_with("1&2 x"));
    }
}
