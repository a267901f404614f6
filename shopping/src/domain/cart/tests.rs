use serde_json::json;
use souk_contract::products::CatalogueEntry;
use souk_types::{Price, TaxClass};

use super::*;

fn euros(cents: u64) -> Money {
    Money::new(cents, Currency::EUR).unwrap()
}

fn dollars(cents: u64) -> Price {
    Price::new(cents, Currency::try_from("USD").unwrap()).unwrap()
}

fn item(cents: u64) -> ProductSnapshot {
    ProductSnapshot {
        id: ProductId::new(),
        name: "Tea".to_owned(),
        price: Price::new(cents, Currency::EUR).unwrap(),
        image: None,
        category: "tea".to_owned(),
        tax_class: TaxClass::Standard,
        weight_grams: 100,
        digital: false,
    }
}

fn pieces(number: u64) -> Quantity {
    Quantity::try_from(number).unwrap()
}

fn quantities(cart: &Cart) -> Vec<u32> {
    cart.lines().iter().map(|line| line.quantity.get()).collect()
}

#[test]
fn add_increases_a_quantity_and_set_replaces_it() {
    let (mut cart, tea, mug) = (Cart::default(), item(499), item(1200));
    cart.add(tea.clone(), pieces(2)).unwrap();
    cart.add(tea.clone(), pieces(3)).unwrap();
    cart.set(mug.clone(), pieces(7)).unwrap();
    cart.set(mug.clone(), pieces(1)).unwrap();
    assert_eq!(quantities(&cart), [5, 1]);
    assert!(cart.add(tea.clone(), pieces(995)).is_err(), "1,000 of one product");
    assert_eq!(quantities(&cart), [5, 1]);
    cart.remove(tea.id).unwrap();
    assert!(cart.remove(tea.id).is_err());
    assert_eq!(quantities(&cart), [1]);
}

#[test]
fn a_cart_is_bounded_and_has_one_currency() {
    let mut cart = Cart::default();
    for _ in 0..MAX_LINES {
        cart.add(item(1), pieces(1)).unwrap();
    }
    assert_eq!(cart.add(item(1), pieces(1)).unwrap_err().code(), "conflict");
    let (mut cart, tea, mug) = (Cart::default(), item(1), item(1));
    cart.add(tea.clone(), pieces(1)).unwrap();
    let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(1), ..product.clone() };
    assert_eq!(cart.add(in_dollars(&mug), pieces(1)).unwrap_err().code(), "currency-mixed");
    cart.add(mug.clone(), pieces(1)).unwrap();
    assert_eq!(cart.add(in_dollars(&mug), pieces(1)).unwrap_err().code(), "currency-mixed");
    cart.remove(tea.id).unwrap();
    cart.add(in_dollars(&mug), pieces(1)).unwrap();
    assert_eq!(quantities(&cart), [2]);
}

#[test]
fn a_stored_cart_that_breaks_a_rule_is_not_deserialised() {
    let (tea, mug) = (item(1), item(2));
    let jeans = ProductSnapshot { price: dollars(1), ..item(1) };
    let lines = |products: &[ProductSnapshot]| -> serde_json::Value {
        let line = |(number, product)| json!({"product": product, "quantity": 1, "number": number});
        products.iter().enumerate().map(line).collect()
    };
    let items = |number: usize| (0..number).map(|_| item(1)).collect::<Vec<_>>();
    for (case, stored, is_valid) in [
        ("empty", json!({"lines": []}), true),
        ("closed", json!({"lines": [], "closed": true}), true),
        ("two products", json!({"lines": lines(&[tea.clone(), mug]), "next_line": 2}), true),
        ("as many lines as fit", json!({"lines": lines(&items(MAX_LINES)), "next_line": MAX_LINES}), true),
        ("too many lines", json!({"lines": lines(&items(MAX_LINES + 1)), "next_line": 101}), false),
        ("one product twice", json!({"lines": lines(&[tea.clone(), tea.clone()]), "next_line": 2}), false),
        ("two currencies", json!({"lines": lines(&[tea.clone(), jeans]), "next_line": 2}), false),
        (
            "closed with lines",
            json!({"lines": lines(std::slice::from_ref(&tea)), "closed": true, "next_line": 1}),
            false,
        ),
        ("the number of a later line", json!({"lines": lines(&[tea])}), false),
        ("ordered before", json!({"lines": [], "next_line": 7, "orders": {"revision": 2}}), true),
    ] {
        let cart = serde_json::from_value::<Cart>(stored.clone());
        assert_eq!(cart.is_ok(), is_valid, "{case}: {cart:?}");
        if let Ok(cart) = cart {
            assert_eq!(serde_json::to_value(cart).unwrap(), stored, "{case}");
        }
    }
}

fn catalogue_of(products: &[&ProductSnapshot]) -> Catalogue {
    let entry = |product: &&ProductSnapshot| CatalogueEntry { product: (*product).clone(), available: 9 };
    Catalogue::new(products.iter().map(entry).collect())
}

#[test]
fn a_line_in_another_currency_than_the_cart_is_marked_and_there_is_no_total() {
    use Availability::{CurrencyMixed, Discontinued, Ok};
    let (tea, mug) = (item(499), item(1200));
    let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(100), ..product.clone() };
    let mut cart = Cart::default();
    for item in [&tea, &mug] {
        cart.add(item.clone(), pieces(1)).unwrap();
    }
    let total = |amount, code| Some(Money::new(amount, Currency::try_from(code).unwrap()).unwrap());
    for (case, products, statuses, expected) in [
        ("unchanged", vec![tea.clone(), mug.clone()], [Ok, Ok], total(1699, "EUR")),
        ("the second changed", vec![tea.clone(), in_dollars(&mug)], [Ok, CurrencyMixed], None),
        ("the first changed", vec![in_dollars(&tea), mug.clone()], [CurrencyMixed, Ok], None),
        ("both changed", vec![in_dollars(&tea), in_dollars(&mug)], [Ok, Ok], total(200, "USD")),
        ("one is gone", vec![tea.clone()], [Ok, Discontinued], total(499, "EUR")),
        ("one is gone, one changed", vec![in_dollars(&mug)], [Discontinued, CurrencyMixed], None),
    ] {
        let view = CartView::new(&cart, &catalogue_of(&products.iter().collect::<Vec<_>>()), None);
        let shown: Vec<_> = view.items.iter().map(|item| item.status).collect();
        assert_eq!((shown.as_slice(), view.total), (statuses.as_slice(), expected), "{case}");
    }
    assert_eq!(CartView::new(&Cart::default(), &catalogue_of(&[]), None).total, Some(euros(0)));
}

#[test]
fn the_rules_use_the_prices_that_are_shown() {
    let (tea, mug, jeans) = (item(499), item(1200), item(1));
    let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(100), ..product.clone() };
    let (dollar_tea, dollar_mug, dollar_jeans) = (in_dollars(&tea), in_dollars(&mug), in_dollars(&jeans));
    let refreshed = |products: &[&ProductSnapshot]| {
        let mut cart = Cart::default();
        for item in [&tea, &mug] {
            cart.add(item.clone(), pieces(1)).unwrap();
        }
        cart.refresh(&catalogue_of(products));
        cart
    };
    // The whole cart is in dollars today.
    let mut cart = refreshed(&[&dollar_tea, &dollar_mug]);
    assert_eq!(cart.add(jeans.clone(), pieces(1)).unwrap_err().code(), "currency-mixed");
    cart.add(dollar_jeans.clone(), pieces(1)).unwrap();
    cart.set(dollar_tea.clone(), pieces(5)).unwrap();
    // Only the mug is in dollars: the customer can remove it, and change the rest.
    let mut cart = refreshed(&[&tea, &dollar_mug]);
    assert_eq!(cart.set(dollar_mug.clone(), pieces(2)).unwrap_err().code(), "currency-mixed");
    assert_eq!(cart.add(dollar_jeans, pieces(1)).unwrap_err().code(), "currency-mixed");
    cart.add(jeans, pieces(1)).unwrap();
    cart.set(tea.clone(), pieces(5)).unwrap();
    cart.remove(mug.id).unwrap();
    let view = CartView::new(&cart, &catalogue_of(&[&tea]), None);
    assert_eq!(view.total, Some(euros(5 * 499)));
}

/// The cart has 5 teas and a mug when it is ordered; then the customer changes it.
#[test]
fn a_confirmed_order_removes_what_was_ordered_and_is_still_there() {
    type Change = fn(&mut Cart, ProductSnapshot);
    let changes: [(&str, Change, &[u32]); 6] = [
        ("nothing", |_, _| {}, &[]),
        ("adds two", |cart, tea| cart.add(tea, pieces(2)).unwrap(), &[2]),
        ("removes two", |cart, tea| cart.set(tea, pieces(3)).unwrap(), &[]),
        (
            "removes the line and adds it again",
            |cart, tea| {
                cart.remove(tea.id).unwrap();
                cart.add(tea, pieces(5)).unwrap();
            },
            &[5],
        ),
        ("adds another product", |cart, _| cart.add(item(1), pieces(4)).unwrap(), &[4]),
        ("empties the cart", |cart, _| cart.clear(), &[]),
    ];
    for (case, change, left) in changes {
        let (mut cart, tea) = (Cart::default(), item(499));
        cart.add(tea.clone(), pieces(5)).unwrap();
        cart.add(item(1200), pieces(1)).unwrap();
        let line = |line: &CartLine| OrderedLine { number: line.number, quantity: line.quantity };
        let ordered: Vec<_> = cart.lines().iter().map(line).collect();
        change(&mut cart, tea);
        let before = cart.clone();
        cart.complete_order(1, &ordered);
        assert_eq!(cart, before, "{case}: another order");
        cart.complete_order(0, &ordered);
        assert_eq!(quantities(&cart), left, "{case}");
        let again = cart.clone();
        cart.complete_order(0, &ordered);
        assert_eq!(cart, again, "{case}: confirmed again");
    }
}

#[test]
fn the_view_has_current_prices_and_availability() {
    let (mut cart, tea, mug, lamp) = (Cart::default(), item(499), item(1200), item(9900));
    for item in [&tea, &mug, &lamp] {
        cart.add(item.clone(), pieces(2)).unwrap();
    }
    let mut dearer = tea.clone();
    dearer.price = Price::new(599, Currency::EUR).unwrap();
    let entries = vec![CatalogueEntry { product: dearer, available: 2 }, CatalogueEntry { product: mug, available: 1 }];
    let view = CartView::new(&cart, &Catalogue::new(entries), None);
    let shown: Vec<_> = view.items.iter().map(|item| (item.total.amount(), item.status, item.available)).collect();
    assert_eq!(
        shown,
        [
            (1198, Availability::Ok, Some(2)),
            (2400, Availability::Short, Some(1)),
            (19800, Availability::Discontinued, Some(0))
        ]
    );
    assert_eq!((view.total, view.stale), (Some(euros(1198 + 2400)), false));
}

#[test]
fn a_view_without_a_catalogue_shows_snapshots_and_is_stale() {
    let (mut cart, tea) = (Cart::default(), item(499));
    cart.add(tea.clone(), pieces(2)).unwrap();
    let view = CartView::new(&cart, &Catalogue::unavailable(), None);
    assert_eq!((view.stale, view.total, &view.items[0].product), (true, Some(euros(998)), &tea));
    assert_eq!((view.items[0].status, view.items[0].available), (Availability::Unknown, None));
}

#[test]
fn a_closed_cart_rejects_products() {
    let mut cart = Cart::default();
    cart.add(item(1), pieces(1)).unwrap();
    cart.close();
    assert!(cart.lines().is_empty());
    assert!(cart.add(item(1), pieces(1)).is_err());
}
