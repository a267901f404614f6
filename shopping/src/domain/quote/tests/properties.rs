//! What holds for every quote.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Situation {
    items: Vec<(u64, u64, TaxClass, bool)>,
    includes_tax: bool,
    one_stop_shop: bool,
    country: Option<&'static str>,
    ships: bool,
    discounts: Vec<(u8, u32, bool, bool)>,
}

fn situation() -> impl Strategy<Value = Situation> {
    use TaxClass::{Reduced, Standard, Zero};
    let price = prop_oneof![0u64..50, 0u64..100_000, Just(Price::MAX_AMOUNT)];
    let item = (price, 1u64..30, proptest::sample::select(vec![Standard, Reduced, Zero]), any::<bool>());
    let country = proptest::sample::select(vec![None, Some("DE"), Some("FR"), Some("US")]);
    let discount = (0u8..3, 1u32..=10_000, any::<bool>(), any::<bool>());
    (proptest::collection::vec(item, 0..8), any::<[bool; 3]>(), country, proptest::collection::vec(discount, 0..5))
        .prop_map(|(items, [includes_tax, one_stop_shop, ships], country, discounts)| Situation {
            items,
            includes_tax,
            one_stop_shop,
            country,
            ships,
            discounts,
        })
}

fn build(situation: &Situation) -> (QuoteInput, ShopConfig) {
    let mut shop =
        shop(json!({"prices_include_tax": situation.includes_tax, "one_stop_shop": situation.one_stop_shop}));
    let terms = |(position, (kind, value, combines, has_code)): (usize, &(u8, u32, bool, bool))| {
        let mut terms = match kind {
            0 => json!({"kind": "percent", "value": value}),
            1 => json!({"kind": "amount", "value": euros(u64::from(*value) * 10)}),
            _ => json!({"kind": "free_shipping"}),
        };
        terms["combines"] = json!(combines);
        if *has_code {
            terms["code"] = json!(format!("code{position}"));
        }
        discount(terms)
    };
    shop.discounts = situation.discounts.iter().enumerate().map(terms).collect();
    let items = situation.items.iter().map(|(cents, quantity, class, is_digital)| {
        let mut item = item(*cents, *quantity, *class);
        item.product.digital = *is_digital;
        // Light enough for each method.
        item.product.weight_grams = 10;
        item
    });
    let method = situation.ships.then_some(match situation.country {
        Some("FR" | "US") => "world",
        _ => "parcel",
    });
    let codes: Vec<String> = (0..situation.discounts.len()).map(|position| format!("code{position}")).collect();
    let request = QuoteRequest {
        shipping_address: situation.country.map(address),
        ..request(json!({"codes": codes, "shipping_method": method}))
    };
    (input(items.collect(), request), shop)
}

proptest! {
    #[test]
    fn the_parts_add_up(situation in situation()) {
        let (input, shop) = build(&situation);
        let quote = quote(&input, &shop, now()).unwrap();
        prop_assert_eq!(quote.contradiction(), None);
        let mut by_rate = std::collections::BTreeMap::<u32, u64>::new();
        for (line, item) in quote.lines.iter().zip(&input.items) {
            prop_assert_eq!((line.product_id, line.quantity), (item.product.id, item.quantity));
            let subtotal = line.unit_price.amount() * u64::from(line.quantity.get());
            prop_assert!(line.discount.amount() <= subtotal);
            let base = if quote.prices_include_tax { line.gross } else { line.net };
            prop_assert_eq!(base.amount(), subtotal - line.discount.amount());
            prop_assert_eq!(line.net.amount() + line.tax.amount(), line.gross.amount());
            *by_rate.entry(line.tax_rate_bp).or_default() += line.gross.amount();
        }
        let shipping_tax = if quote.prices_include_tax { 0 } else { quote.shipping.tax.amount() };
        let shipping = quote.shipping.price.amount() + shipping_tax;
        prop_assert_eq!(quote.total.amount(), by_rate.values().sum::<u64>() + shipping);
        let taxed: u64 = quote.taxes.iter().map(|tax| tax.net.amount() + tax.tax.amount()).sum();
        prop_assert_eq!(taxed, quote.total.amount());
        for tax in &quote.taxes {
            let of_lines = by_rate.remove(&tax.rate_bp).unwrap_or(0);
            prop_assert!(tax.net.amount() + tax.tax.amount() >= of_lines, "the rest is shipping");
        }
        prop_assert!(by_rate.is_empty(), "each rate is listed");
        let line_tax: u64 = quote.lines.iter().map(|line| line.tax.amount()).sum();
        let tax: u64 = quote.taxes.iter().map(|tax| tax.tax.amount()).sum();
        prop_assert_eq!(tax, line_tax + quote.shipping.tax.amount());
    }

    #[test]
    fn discounts_take_off_what_they_say(situation in situation()) {
        let (input, shop) = build(&situation);
        let quote = quote(&input, &shop, now()).unwrap();
        let off_lines: u64 = quote.lines.iter().map(|line| line.discount.amount()).sum();
        let used = quote.discounts.iter().filter(|discount| discount.reason.is_none());
        let is_free = |id| shop.discount(id).unwrap().is_free_shipping();
        let (free, goods): (Vec<_>, Vec<_>) = used.partition(|discount| is_free(discount.id.unwrap()));
        prop_assert_eq!(goods.iter().map(|discount| discount.amount.amount()).sum::<u64>(), off_lines);
        prop_assert!(free.is_empty() || quote.shipping.price.is_zero());
        // Discounts never make a quote dearer.
        let without = super::quote(&input, &ShopConfig { discounts: Vec::new(), ..shop.clone() }, now()).unwrap();
        if quote.shipping.chosen.is_some() && quote.prices_include_tax {
            prop_assert!(quote.total.amount() <= without.total.amount());
        }
    }

    #[test]
    fn the_order_of_lines_changes_no_amount(
        (situation, order) in situation().prop_flat_map(|situation| {
            let positions: Vec<usize> = (0..situation.items.len()).collect();
            (Just(situation), Just(positions).prop_shuffle())
        })
    ) {
        let (input, shop) = build(&situation);
        let items = order.iter().map(|&position| input.items[position].clone()).collect();
        let quoted = quote(&input, &shop, now()).unwrap();
        let shuffled = quote(&QuoteInput { items, ..input }, &shop, now()).unwrap();
        prop_assert_eq!(&shuffled.taxes, &quoted.taxes);
        prop_assert_eq!((shuffled.total, &shuffled.discounts), (quoted.total, &quoted.discounts));
        let lines: Vec<_> = order.iter().map(|&position| quoted.lines[position].clone()).collect();
        prop_assert_eq!(shuffled.lines, lines);
    }

    #[test]
    fn prices_with_and_without_tax_agree(prices in proptest::collection::vec((0u64..1_000_000, any::<bool>()), 1..8)) {
        let class = |is_reduced| if is_reduced { TaxClass::Reduced } else { TaxClass::Standard };
        let net = prices.iter().map(|(cents, is_reduced)| item(*cents, 1, class(*is_reduced))).collect();
        let without = quote(&input(net, to("DE", "pickup")), &shop(json!({"prices_include_tax": false})), now()).unwrap();
        let gross = without.lines.iter().zip(&prices).map(|(line, (_, is_reduced))| item(line.gross.amount(), 1, class(*is_reduced)));
        let with = quote(&input(gross.collect(), to("DE", "pickup")), &shop(json!({})), now()).unwrap();
        prop_assert_eq!(with.total, without.total);
        prop_assert_eq!(with.taxes, without.taxes);
    }
}
