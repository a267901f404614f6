//! `souk order`: the timeline of one order, read from the databases, so that it works while the
//! services are down. The HTTP API has `GET /shopping/order/{id}/timeline`.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use souk_contract::shopping::{OrderId, TimelineEntry};

use crate::databases::{Databases, operator_message};
use crate::shop_args::ShopArgs;

#[derive(Args)]
pub(crate) struct OrderArgs {
    /// Id of the order
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

pub(crate) async fn run(args: OrderArgs) -> Result<(), String> {
    let order = args.id.parse().map_err(|problem| format!("{:?} {problem}", args.id))?;
    let databases = Databases::open(&args.shop.resolve()?)?;
    let timeline = timeline(&databases, order).await;
    databases.close().await;
    let timeline = timeline?;
    let text = if args.json { json(&timeline)? } else { table(&timeline) };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

async fn timeline(databases: &Databases, order: OrderId) -> Result<Vec<TimelineEntry>, String> {
    let mut timeline = shopping::ledger::timeline(&databases.shopping, order).await.map_err(operator_message)?;
    if timeline.is_empty() {
        return Err(format!("there is no order {order}"));
    }
    timeline.extend(products::ledger::stock_log(&databases.products, order).await.map_err(operator_message)?);
    // The sort is stable: entries of one moment keep the order in which they were written.
    timeline.sort_by_key(|entry| entry.at);
    Ok(timeline)
}

fn json(timeline: &[TimelineEntry]) -> Result<String, String> {
    serde_json::to_string_pretty(timeline).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn table(timeline: &[TimelineEntry]) -> String {
    let mut table = String::new();
    for entry in timeline {
        let kind = format!("{:?}", entry.kind).to_lowercase();
        let ms = entry.ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        let request = entry.request_id.as_ref().map_or("-", |id| id.as_str());
        let TimelineEntry { at, service, what, outcome, .. } = entry;
        // Writing to a string cannot fail.
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
    fn an_entry_is_one_line() {
        let entry = TimelineEntry {
            at: Timestamp::now(),
            service: "shopping".to_owned(),
            kind: TimelineKind::Call,
            what: "products.reserve".to_owned(),
            outcome: "ok".to_owned(),
            ms: Some(12),
            request_id: "r-1".parse().ok(),
            by: None,
        };
        let line = table(std::slice::from_ref(&entry));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..], ["shopping", "call", "products.reserve", "12", "ms", "ok", "r-1"]);
        assert_eq!(words[0], entry.at.to_string());
    }
}
