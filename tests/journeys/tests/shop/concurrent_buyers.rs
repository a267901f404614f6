//! Customers order the same scarce products at the same time. No unit is sold twice or stays
//! reserved.

use journeys::{Customer, Product, Response, Shop, Stock, euros, run_concurrently};
use serde_json::json;

async fn new_buyers(shop: &Shop, product: &Product, quantity: u64, count: usize) -> Vec<Customer> {
    let mut buyers = Vec::with_capacity(count);
    for _ in 0..count {
        buyers.push(shop.customer_with_cart(product, quantity).await);
    }
    buyers
}

/// Places all orders at the same time. Returns the confirmed and the rejected ones.
async fn order_concurrently(buyers: &[Customer]) -> (Vec<Response>, Vec<Response>) {
    let responses = run_concurrently(buyers.iter().map(|buyer| buyer.place_order("key"))).await;
    responses.into_iter().partition(|response| response.status == 201)
}

#[tokio::test]
async fn the_last_unit_is_sold_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let vase = admin.new_product("vase", &euros(9_900), 1).await;
    let buyers = new_buyers(&shop, &vase, 1, 2).await;
    let (confirmed, rejected) = order_concurrently(&buyers).await;
    assert_eq!((confirmed.len(), rejected.len()), (1, 1));
    for response in rejected {
        let response = response.expect_problem(409, "out-of-stock");
        let short = json!([{"product_id": vase.id, "name": vase.name, "requested": 1, "available": 0}]);
        assert_eq!(response["items"], short);
    }
    assert_eq!(admin.stock(&vase).await, Stock { available: 0, reserved: 0, sold: 1 });
}

#[tokio::test]
async fn a_rejected_order_leaves_the_cart() {
    let shop = Shop::shared().await;
    let vase = shop.new_product("vase", &euros(9_900), 1).await;
    let buyers = new_buyers(&shop, &vase, 1, 2).await;
    order_concurrently(&buyers).await;
    let mut lines = Vec::new();
    for buyer in &buyers {
        lines.push(buyer.get_cart().await.items().len());
    }
    lines.sort_unstable();
    assert_eq!(lines, [0, 1]);
}

#[tokio::test]
async fn sixty_buyers_order_twenty_units() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let vase = admin.new_product("vase", &euros(9_900), 20).await;
    let buyers = new_buyers(&shop, &vase, 1, 60).await;
    let (confirmed, rejected) = order_concurrently(&buyers).await;
    assert_eq!(confirmed.len(), 20);
    for response in confirmed {
        assert_eq!(response["status"], "confirmed", "{response}");
    }
    for response in rejected {
        response.expect_problem(409, "out-of-stock");
    }
    assert_eq!(admin.stock(&vase).await, Stock { available: 0, reserved: 0, sold: 20 });
}

#[tokio::test]
async fn carts_with_the_same_products_in_another_order_do_not_deadlock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [vase, lamp] = admin.new_products([("vase", 9_900, 5), ("lamp", 4_900, 5)]).await;
    let mut buyers = new_buyers(&shop, &vase, 1, 4).await;
    for buyer in &buyers {
        buyer.add_to_cart(&lamp, 1).await.expect_status(200);
    }
    let others = new_buyers(&shop, &lamp, 1, 4).await;
    for buyer in &others {
        buyer.add_to_cart(&vase, 1).await.expect_status(200);
    }
    buyers.extend(others);
    let (confirmed, rejected) = order_concurrently(&buyers).await;
    // An order may be rejected because another one reserved a unit for a moment.
    assert!(confirmed.len() <= 5, "{confirmed:#?}");
    for response in rejected {
        response.expect_problem(409, "out-of-stock");
    }
    let sold = u64::try_from(confirmed.len()).unwrap();
    for product in [&vase, &lamp] {
        assert_eq!(admin.stock(product).await, Stock { available: 5 - sold, reserved: 0, sold });
    }
}
