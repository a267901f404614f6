use super::*;
use crate::domain::import_records::{FileFormat, for_each_record};
use crate::domain::import_row::ImportRow;

fn mapping(parameters: &[(&str, &str)]) -> ImportMapping {
    let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    input::from_query(pairs).unwrap()
}

fn read(format: FileFormat, file: &str, mapping: &ImportMapping) -> Vec<(u64, Result<ImportRow, Vec<FieldError>>)> {
    let mut rows = Vec::new();
    for_each_record(format, file.as_bytes(), |line, record| {
        rows.push((line, record.map_err(|error| vec![error]).and_then(|record| mapping.read_record(&record))));
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
    ]);
    let rows = read(FileFormat::Csv, diamonds, &mapping);
    let row = rows[0].1.as_ref().unwrap();
    assert_eq!((&*row.key, &*row.details.name, &*row.details.category), ("diamond-1", "0.23 ct Ideal", "Diamonds"));
    assert_eq!((row.details.price.amount(), row.details.price.currency().code()), (32_600, "USD"));
    assert_eq!(row.available.map(u32::from), Some(1));
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
        (5, &[]),
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
