use super::*;
use crate::domain::import_records::{FileFormat, Records};
use crate::domain::import_row::ImportRow;

fn mapping(parameters: &[(&str, &str)]) -> ImportMapping {
    let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    input::from_query(pairs).unwrap()
}

fn read(format: FileFormat, file: &str, mapping: &ImportMapping) -> Vec<(u64, Result<ImportRow, Vec<FieldError>>)> {
    let mut rows = Vec::new();
    let records = Records::open(format, file.as_bytes(), mapping.delimiter).unwrap();
    records
        .for_each(|line, record| {
            rows.push((line, record.and_then(|record| mapping.read_record(&record))));
            Ok(())
        })
        .unwrap();
    rows
}

fn invalid_fields(row: &Result<ImportRow, Vec<FieldError>>) -> Vec<&str> {
    row.as_ref().err().into_iter().flatten().map(|error| error.field.as_str()).collect()
}

#[test]
fn templates_refer_to_columns_by_name_and_number() {
    let diamonds = "\"\",\"carat\",\"cut\",\"price\"\n\"1\",0.23,\"Ideal\",326\n";
    let mapping = mapping(&[
        ("key", "diamond-{#1}"),
        ("name", "{carat} ct {cut}"),
        ("category", "Diamonds"),
        ("currency", "USD"),
        ("price_in", "major"),
        ("available", "1"),
        ("weight_grams", "3"),
        ("digital", "false"),
        ("tax_class", "reduced"),
    ]);
    let rows = read(FileFormat::Csv, diamonds, &mapping);
    let row = rows[0].1.as_ref().unwrap();
    assert_eq!((&*row.key, &*row.details.name, &*row.details.category), ("diamond-1", "0.23 ct Ideal", "Diamonds"));
    assert_eq!((row.details.price.amount(), row.details.price.currency().code()), (32_600, "USD"));
    assert_eq!(row.available.map(u32::from), Some(1));
    assert_eq!((row.details.weight_grams.grams(), row.details.tax_class.name()), (3, "reduced"));
}

#[test]
fn a_price_has_the_decimal_mark_of_the_mapping() {
    for (decimal, price, expected) in [
        ("point", "12.50", Some(1_250)),
        ("point", "12,50", None),
        ("comma", "12,50", Some(1_250)),
        ("comma", "12", Some(1_200)),
        ("comma", "12.50", None),
        ("comma", "1.234,56", None),
        ("comma", "1,250", None),
        ("point", "1.250", None),
        ("point", "1.2500", Some(125)),
        ("comma", "1,234,56", None),
    ] {
        let mapping = mapping(&[("price_in", "major"), ("decimal", decimal)]);
        let file = format!("key;name;category;price\na;Tea;tea;{price}\n");
        let row = read(FileFormat::Csv, &file, &mapping).remove(0).1;
        assert_eq!(row.as_ref().ok().map(|row| row.details.price.amount()), expected, "{decimal} {price}");
        assert!(expected.is_some() || invalid_fields(&row) == ["price"]);
    }
}

#[test]
fn a_price_without_a_currency_has_the_default_one() {
    let file = "key,name,category,price,currency\na,A,c,1,CHF\nb,B,c,1,\n";
    for (parameters, expected) in [(&[][..], ["CHF", "EUR"]), (&[("default_currency", "USD")], ["CHF", "USD"])] {
        let rows = read(FileFormat::Csv, file, &mapping(parameters));
        let currency = |row: &ImportRow| row.details.price.currency().code().to_owned();
        let currencies: Vec<String> = rows.iter().map(|(_, row)| currency(row.as_ref().unwrap())).collect();
        assert_eq!(currencies, expected, "{parameters:?}");
    }
}

#[test]
fn columns_that_fill_no_field_are_named() {
    let names = ["key", "Available", "name", "colour", "price", "size", "category"].map(ToOwned::to_owned);
    for (parameters, expected) in [
        (&[][..], &["Available", "colour", "size"][..]),
        (&[("name", "{name} {colour}"), ("unit", "{#6}")], &["Available"]),
        // A template takes the place of the column of that name.
        (&[("category", "Tea")], &["Available", "colour", "size", "category"]),
    ] {
        assert_eq!(mapping(parameters).ignored_columns(&names), expected, "{parameters:?}");
    }
}

#[test]
fn names_of_columns_are_equal_when_they_look_equal() {
    let mapping = mapping(&[("name", "{café}")]);
    let csv = "key,cafe\u{301},cat\u{200b}egory,price\na,Tea,tea,499\n";
    let ndjson = "{\"key\":\"a\",\"cafe\u{301}\":\"Tea\",\"cat\u{200b}egory\":\"tea\",\"price\":499}\n";
    for (format, file) in [(FileFormat::Csv, csv), (FileFormat::NdJson, ndjson)] {
        let row = read(format, file, &mapping).remove(0).1.unwrap();
        assert_eq!((&*row.details.name, &*row.details.category), ("Tea", "tea"), "{format:?}");
    }
}

#[test]
fn every_invalid_line_is_reported_with_its_fields() {
    let file = "key,name,category,price,available\n\
                a,Tea,tea,499,5\n\
                ,Tea,tea,499,5\n\
                b,,tea,4.99,-1\n\
                c,\"two\nlines\",tea,499,5\n\
                d,Tea,tea\n\
                e,Tea,tea,99999999999,x\n";
    let rows = read(FileFormat::Csv, file, &ImportMapping::default());
    let found: Vec<(u64, Vec<&str>)> = rows.iter().map(|(line, row)| (*line, invalid_fields(row))).collect();
    let expected: [(u64, &[&str]); 6] = [
        (2, &[]),
        (3, &["key"]),
        (4, &["price", "available", "name"]),
        (5, &["name"]),
        (7, &["row"]),
        (8, &["price", "available"]),
    ];
    assert_eq!(found, expected.map(|(line, fields)| (line, fields.to_vec())));
}

#[test]
fn ndjson_prices_are_objects_or_numbers() {
    let file = "{\"key\":\"a\",\"name\":\"Tea\",\"category\":\"tea\",\"price\":{\"amount\":499,\"currency\":\"EUR\"},\"available\":3}\n\
                \n\
                {\"key\":\"b\",\"name\":\"Mug\",\"category\":\"mugs\",\"price\":1200,\"currency\":\"USD\"}\n\
                {\"key\":\"c\",\"name\":{\"$ne\":1},\"category\":\"mugs\",\"price\":-5}\n\
                [1]\n";
    let rows = read(FileFormat::NdJson, file, &ImportMapping::default());
    let prices: Vec<_> =
        rows.iter().filter_map(|(_, row)| Some(row.as_ref().ok()?.details.price.to_string())).collect();
    assert_eq!(prices, ["4.99 EUR", "12.00 USD"]);
    assert_eq!((rows[2].0, invalid_fields(&rows[2].1)), (4, vec!["price", "name"]));
    assert_eq!((rows[3].0, invalid_fields(&rows[3].1)), (5, vec!["row"]));
}

#[test]
fn tax_weight_and_delivery_are_read_from_text_and_json() {
    let csv = |tax: &str, weight: &str, digital: &str| {
        let file =
            format!("key,name,category,price,tax_class,weight_grams,digital\na,A,c,1,{tax},{weight},{digital}\n");
        read(FileFormat::Csv, &file, &ImportMapping::default()).remove(0).1
    };
    let ndjson = |tax: &str, weight: &str, digital: &str| {
        let file = format!(
            r#"{{"key":"a","name":"A","category":"c","price":1,"tax_class":{tax},"weight_grams":{weight},"digital":{digital}}}"#
        );
        read(FileFormat::NdJson, &file, &ImportMapping::default()).remove(0).1
    };
    for (row, expected) in [
        (csv("", "", ""), Ok(("standard", 0, false))),
        (csv("reduced", "1e3", "FALSE"), Ok(("reduced", 1000, false))),
        (csv(" second-reduced ", " 250.0 ", " True "), Ok(("second-reduced", 250, true))),
        (csv("Reduced", "250 g", "yes"), Err(vec!["weight_grams", "digital", "tax_class"])),
        (csv("7", "1000001", "1"), Err(vec!["digital", "tax_class", "weight_grams"])),
        (csv("zero", "-1", "true"), Err(vec!["weight_grams"])),
        (ndjson("null", "null", "null"), Ok(("standard", 0, false))),
        (ndjson("\"zero\"", "12.0", "true"), Ok(("zero", 12, true))),
        (ndjson("\"reduced\"", "\"12\"", "\"true\""), Ok(("reduced", 12, true))),
        (ndjson("true", "0.5", "1"), Err(vec!["tax_class", "weight_grams", "digital"])),
    ] {
        let found = row.as_ref().map(|row| {
            let details = &row.details;
            (details.tax_class.name(), details.weight_grams.grams(), details.digital)
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(_), Err(expected)) => assert_eq!(invalid_fields(&row), expected),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn a_wrong_currency_is_one_error() {
    let csv = "key,name,category,price,currency\na,Tea,tea,499,eur\n";
    let object = |price: &str, currency: &str| {
        format!(r#"{{"key":"a","name":"A","category":"c","price":{price},"currency":"{currency}"}}"#)
    };
    let euros = r#"{"amount":499,"currency":"EUR"}"#;
    for (format, file, fields) in [
        (FileFormat::Csv, csv.to_owned(), vec!["currency"]),
        (FileFormat::NdJson, object(euros, "USD"), vec!["currency"]),
        (FileFormat::NdJson, object(euros, "EUR"), vec![]),
        (FileFormat::NdJson, object("499", "eur"), vec!["currency"]),
    ] {
        let row = read(format, &file, &ImportMapping::default()).remove(0).1;
        assert_eq!(invalid_fields(&row), fields, "{file}");
    }
}

#[test]
fn a_mapping_with_missing_columns_is_refused_once() {
    let names = ["key", "price"].map(str::to_owned);
    let refused = mapping(&[("name", "{title}"), ("unit", "{#9}")]).check(&names).unwrap_err();
    let fields: Vec<&str> = refused.fields().iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "unit", "category"]);
    assert!(refused.fields()[0].message.contains("\"key\", \"price\""), "{}", refused.fields()[0].message);
    assert!(mapping(&[("name", "{key}"), ("category", "tea")]).check(&names).is_ok());
}

#[test]
fn invalid_query_parameters_are_refused() {
    for (name, value) in [("name", "{"), ("nmae", "")] {
        let pairs = [(name.to_owned(), value.to_owned())];
        assert!(input::from_query::<ImportMapping>(pairs.into_iter()).is_err(), "{name}");
    }
}

#[test]
fn empty_rows_are_rows_with_errors_and_blank_lines_are_none() {
    let file = "key,name,category,price,description\n,,,,\n\n   \n\"\",\"\",\"\",\"\",\"\"\na,A,c,1,\n , , , , \n";
    let rows = read(FileFormat::Csv, file, &ImportMapping::default());
    let found: Vec<(u64, Vec<&str>)> = rows.iter().map(|(line, row)| (*line, invalid_fields(row))).collect();
    let missing = vec!["key", "name", "category", "price"];
    assert_eq!(found, [(2, missing.clone()), (4, vec!["row"]), (5, missing.clone()), (6, vec![]), (7, missing)]);
    let rows = read(FileFormat::NdJson, "{}\n\n  \n{\"key\":\"\"}\n", &ImportMapping::default());
    let lines: Vec<(u64, bool)> = rows.iter().map(|(line, row)| (*line, row.is_ok())).collect();
    assert_eq!(lines, [(1, false), (3, false), (4, false)]);
}

#[test]
fn numbers_are_judged_by_their_value() {
    let csv = |price: &str, price_in: &str, available: &str| {
        let file = format!("key;name;category;price;available\na;A;c;{price};{available}\n");
        read(FileFormat::Csv, &file, &mapping(&[("price_in", price_in)])).remove(0).1
    };
    for (price, price_in, available, expected) in [
        ("34.0000", "major", "5", Some((3400, 5))),
        ("34", "major", "5.0", Some((3400, 5))),
        ("34.5", "major", "1e2", Some((3450, 100))),
        ("3.4e1", "major", "-0", Some((3400, 0))),
        (" 34.00 ", "major", " 5 ", Some((3400, 5))),
        ("3400.0", "minor", "05", Some((3400, 5))),
        ("34e2", "minor", "0.1e1", Some((3400, 1))),
        ("34.001", "major", "5", None),
        ("34.5", "minor", "5", None),
        ("34,00", "major", "5", None),
        ("1.234,56", "major", "5", None),
        ("1,234.56", "major", "5", None),
        ("1 234.56", "major", "5", None),
        ("1,234", "minor", "5", None),
        ("1e400", "major", "5", None),
        ("-34", "major", "5", None),
        ("34", "major", "1,500", None),
        ("34", "major", "2.5", None),
        ("34", "major", "1e400", None),
        ("34", "major", "-1", None),
        ("34", "major", "1000000001", None),
    ] {
        let row = csv(price, price_in, available).ok();
        let read = row.map(|row| (row.details.price.amount(), row.available.map(u32::from).unwrap()));
        assert_eq!(read, expected, "{price} {price_in} {available}");
    }
    let ndjson = |price: &str, price_in: &str, available: &str| {
        let file = format!(r#"{{"key":"a","name":"A","category":"c","price":{price},"available":{available}}}"#);
        read(FileFormat::NdJson, &file, &mapping(&[("price_in", price_in)])).remove(0).1
    };
    for (price, price_in, available, expected) in [
        ("34.0000", "major", "5.0", Some((3400, 5))),
        ("34.07", "major", "1e2", Some((3407, 100))),
        ("499.0", "minor", "-0", Some((499, 0))),
        (r#"{"amount": 499.0, "currency": "EUR"}"#, "minor", "20e-1", Some((499, 2))),
        (r#""34.0000""#, "major", r#""5.0""#, Some((3400, 5))),
        (r#"{"amount": 499.5, "currency": "EUR"}"#, "minor", "2", None),
        ("34.001", "major", "5", None),
        ("499.5", "minor", "5", None),
        ("499", "minor", "2.5", None),
        ("499", "minor", "1e300", None),
        ("true", "minor", "5", None),
        ("[499]", "minor", "5", None),
    ] {
        let row = ndjson(price, price_in, available).ok();
        let read = row.map(|row| (row.details.price.amount(), row.available.map(u32::from).unwrap()));
        assert_eq!(read, expected, "{price} {price_in} {available}");
    }
}

#[test]
fn a_key_is_the_same_however_its_number_is_written() {
    let file = "{\"key\":7,\"name\":\"A\",\"category\":\"c\",\"price\":1}\n{\"key\":7.0,\"name\":\"A\",\"category\":\"c\",\"price\":1}\n";
    let rows = read(FileFormat::NdJson, file, &mapping(&[("key", "k-{key}")]));
    assert!(rows.iter().all(|(_, row)| &*row.as_ref().unwrap().key == "k-7"));
}
