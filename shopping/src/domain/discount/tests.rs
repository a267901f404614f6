use serde_json::json;

use super::*;

const DAY: &str = "2026-01-01T00:00:00Z";

#[test]
fn a_bad_discount_names_its_field() {
    let euros = json!({"amount": 500, "currency": "EUR"});
    for (terms, bad) in [
        (json!({"kind": "percent", "value": 1000}), None),
        (json!({"kind": "percent", "value": 10_000, "code": "Ähre-5", "limit": 1, "per_customer": 1}), None),
        (json!({"kind": "amount", "value": euros, "minimum": euros, "products": [], "categories": ["tea"]}), None),
        (json!({"kind": "free_shipping", "from": null, "until": DAY, "combines": true}), None),
        (json!({"kind": "percent", "value": 0}), Some("value")),
        (json!({"kind": "percent", "value": 10_001}), Some("value")),
        (json!({"kind": "percent", "value": 0.5}), Some("value")),
        (json!({"kind": "percent", "value": euros}), Some("value")),
        (json!({"kind": "percent"}), Some("value")),
        (json!({"kind": "amount", "value": 500}), Some("value")),
        (json!({"kind": "amount", "value": {"amount": -1, "currency": "EUR"}}), Some("value.amount")),
        (json!({"kind": "amount", "value": euros, "minimum": {"amount": 1, "currency": "USD"}}), Some("minimum")),
        (json!({"kind": "free_shipping", "value": 1}), Some("value")),
        (json!({"kind": "gift", "value": 1}), Some("kind")),
        (json!({"value": 1}), Some("kind")),
        (json!({"kind": "percent", "value": 1, "code": " "}), Some("code")),
        (json!({"kind": "percent", "value": 1, "code": "x".repeat(41)}), Some("code")),
        (json!({"kind": "percent", "value": 1, "limit": 0}), Some("limit")),
        (json!({"kind": "percent", "value": 1, "limit": 1_000_001}), Some("limit")),
        (json!({"kind": "percent", "value": 1, "per_customer": -1}), Some("per_customer")),
        (json!({"kind": "percent", "value": 1, "from": DAY, "until": DAY}), Some("until")),
        (json!({"kind": "percent", "value": 1, "products": ["tea"]}), Some("products")),
        (json!({"kind": "percent", "value": 1, "categories": vec!["tea"; 101]}), Some("categories")),
        (json!({"kind": "percent", "value": 1, "used": 5}), Some("used")),
    ] {
        let read = from_json::<Terms>(terms.clone());
        let field = read.as_ref().err().map(|error| error.fields()[0].field.clone());
        assert_eq!(field.as_deref(), bad, "{terms}");
        if let Ok(terms) = read {
            let stored: Terms = serde_json::from_value(serde_json::to_value(&terms).unwrap()).unwrap();
            assert_eq!(stored, terms);
        }
    }
}

#[test]
fn a_patch_changes_removes_and_keeps_fields() {
    let euros = json!({"amount": 500, "currency": "EUR"});
    let terms: Terms =
        from_json(json!({"code": "TEA", "kind": "percent", "value": 1000, "limit": 5, "from": DAY})).unwrap();
    for (patch, expected) in [
        (json!({}), Ok(json!({"value": 1000, "limit": 5}))),
        (json!({"limit": null, "value": 500}), Ok(json!({"value": 500, "limit": null}))),
        (json!({"kind": "amount", "value": euros}), Ok(json!({"kind": "amount", "value": euros}))),
        (json!({"kind": "free_shipping"}), Ok(json!({"kind": "free_shipping"}))),
        (json!({"kind": "amount"}), Err("value")),
        (json!({"until": DAY}), Err("until")),
        (json!({"colour": "red"}), Err("colour")),
    ] {
        let patched = from_json::<TermsPatch>(patch.clone()).unwrap().apply(&terms);
        match (patched, expected) {
            (Ok(patched), Ok(expected)) => {
                let patched = serde_json::to_value(patched).unwrap();
                for (field, value) in expected.as_object().unwrap() {
                    assert_eq!(patched[field], *value, "{patch} {field}");
                }
            }
            (Err(error), Err(field)) => assert_eq!(error.fields()[0].field, field, "{patch}"),
            (patched, expected) => panic!("{patch}: {patched:?} {expected:?}"),
        }
    }
}

#[test]
fn codes_are_compared_without_case_and_spaces() {
    let folded = |code: &str| serde_json::from_value::<Code>(json!(code)).unwrap().folded();
    for same in ["tea 10", "TEA10", " Tea10 "] {
        assert_eq!(folded(same), "tea10", "{same}");
    }
    assert_eq!(folded("E\u{301}TE\u{301}"), folded("été"));
}

#[test]
fn new_terms_are_usable_and_old_ones_may_stay() {
    let read = |terms: serde_json::Value| from_json::<Terms>(terms).unwrap();
    let (euros, dollars) = (json!({"amount": 500, "currency": "EUR"}), json!({"amount": 500, "currency": "USD"}));
    let old = read(json!({"kind": "amount", "value": dollars, "minimum": dollars, "code": "SUMMER 20"}));
    let fields = |terms: &Terms, before| {
        let refused = terms.require_usable(before, Currency::EUR).err();
        refused.map(|error| error.fields().iter().map(|field| field.field.clone()).collect::<Vec<_>>())
    };
    assert_eq!(fields(&old, None), Some(vec!["code".to_owned(), "value".to_owned(), "minimum".to_owned()]));
    assert_eq!(fields(&old, Some(&old)), None);
    let ended = read(json!({
        "kind": "amount", "value": dollars, "minimum": dollars, "code": "SUMMER 20", "until": DAY,
    }));
    assert_eq!(fields(&ended, Some(&old)), None);
    let renamed = read(json!({"kind": "amount", "value": euros, "code": "welcome!"}));
    assert_eq!(fields(&renamed, Some(&old)), Some(vec!["code".to_owned()]));
    for code in ["\u{c4}hre-5", "summer_20"] {
        assert_eq!(fields(&read(json!({"kind": "percent", "value": 1000, "code": code})), None), None, "{code}");
    }
}
