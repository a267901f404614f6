//! `souk order ID`: all that happened to one order, on one line of time, read from the databases, so that it works whether the
//! services run or not. For admins without a terminal there is `GET /shopping/order/{id}/timeline`.

use std::fmt::Write as _;
use std::io::Write as _;

use souk_contract::shopping::{OrderId, TimelineEntry};

use crate::databases::Databases;
use crate::options::Explain;

/// Carries out the command. Errors: no such order, or something could not be read.
pub(crate) async fn run(command: Explain) -> Result<(), String> {
    let (books, order, json) = command.settle()?;
    let databases = Databases::open(&books)?;
    let read = read(&databases, order).await;
    databases.close().await;
    let happened = read?;
    let text = if json { json_of(&happened)? } else { table(&happened) };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

async fn read(databases: &Databases, order: OrderId) -> Result<Vec<TimelineEntry>, String> {
    let text = |error: souk_types::Error| error.operator_message();
    let mut happened = shopping::ledger::happened(&databases.shopping, order).await.map_err(text)?;
    if happened.is_empty() {
        return Err(format!("there is no order {order}"));
    }
    happened.extend(products::ledger::stock_log(&databases.products, order).await.map_err(text)?);
    // Stable: what has one time stays as it was written down.
    happened.sort_by_key(|one| one.at);
    Ok(happened)
}

fn json_of(happened: &[TimelineEntry]) -> Result<String, String> {
    serde_json::to_string_pretty(happened).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// A line for each, with what was waited for.
fn table(happened: &[TimelineEntry]) -> String {
    let mut table = String::new();
    for one in happened {
        let kind = format!("{:?}", one.kind).to_lowercase();
        let ms = one.ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        let request = one.request_id.as_ref().map_or("-", |id| id.as_str());
        let TimelineEntry { at, service, what, outcome, .. } = one;
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{at}  {service:<9}{kind:<9}{what:<32}{ms:>8}  {outcome}  {request}");
    }
    table
}

#[cfg(test)]
mod tests {
    use souk_contract::shopping::TimelineKind;
    use souk_types::Timestamp;

    use super::*;

    #[test]
    fn a_line_says_when_who_what_and_for_whom() {
        let happened = TimelineEntry {
            at: Timestamp::now(),
            service: "shopping".to_owned(),
            kind: TimelineKind::Call,
            what: "products.reserve".to_owned(),
            outcome: "ok".to_owned(),
            ms: Some(12),
            request_id: "r-1".parse().ok(),
        };
        let line = table(std::slice::from_ref(&happened));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..], ["shopping", "call", "products.reserve", "12", "ms", "ok", "r-1"]);
        assert_eq!(words[0], happened.at.to_string());
    }
}
