//! Replaces `${NAME}` in a text, like `envsubst` in nginx's Docker image, except that a name
//! without a value is an error. nginx's own variables (`$uri`) stay.

use crate::error::{Error, Result};

pub(crate) fn fill(template: &str, values: &[(&str, String)]) -> Result<String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| Error::failed("a ${ has no }"))?;
        let value = values.iter().find(|(known, _)| *known == name);
        let (_, value) = value.ok_or_else(|| Error::failed(format!("the template needs a value for {name}")))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn names_are_replaced_and_must_be_known() {
        let values = [("A", "1".to_owned()), ("B", "${A}".to_owned()), ("EMPTY", String::new())];
        for (template, filled) in [
            ("", Some("")),
            ("$uri ${A}${A} {}", Some("$uri 11 {}")),
            ("${B}", Some("${A}")),
            ("<${EMPTY}>", Some("<>")),
            ("${C}", None),
            ("${a}", None),
            ("${A", None),
        ] {
            assert_eq!(fill(template, &values).ok().as_deref(), filled, "{template}");
        }
    }
}
