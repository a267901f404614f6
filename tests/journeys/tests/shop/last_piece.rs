//! Many want what few can have. However they hurry, nothing is sold twice, nothing is kept back, and whoever comes too
//! late is told.

use journeys::{Answer, Books, Customer, Product, Shop, at_once, euros};
use serde_json::json;

/// So many customers with `quantity` pieces in the cart.
async fn buyers_of(shop: &Shop, product: &Product, quantity: u64, number: usize) -> Vec<Customer> {
    let mut buyers = Vec::with_capacity(number);
    for _ in 0..number {
        let buyer = shop.new_customer("Buyer").await;
        buyer.adds(product, quantity).await.expect_status(200);
        buyers.push(buyer);
    }
    buyers
}

/// Everybody presses the button; who got it, and who did not.
async fn rush(buyers: &[Customer]) -> (Vec<Answer>, Vec<Answer>) {
    let answers = at_once(buyers.iter().map(|buyer| buyer.orders("mine"))).await;
    answers.into_iter().partition(|answer| answer.status == 201)
}

#[tokio::test]
async fn the_last_piece_is_sold_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let vase = admin.sells("vase", &euros(9_900), 1).await;
    let buyers = buyers_of(&shop, &vase, 1, 2).await;
    let (happy, unhappy) = rush(&buyers).await;
    assert_eq!((happy.len(), unhappy.len()), (1, 1));
    for answer in unhappy {
        let answer = answer.expect_problem(409, "out-of-stock");
        let late = json!([{"product_id": vase.id, "name": vase.name, "requested": 1, "available": 0}]);
        assert_eq!(answer["items"], late);
    }
    assert_eq!(admin.books(&vase).await, Books { available: 0, reserved: 0, sold: 1 });
}

#[tokio::test]
async fn who_came_too_late_still_has_the_cart() {
    let shop = Shop::shared().await;
    let vase = shop.admin().await.sells("vase", &euros(9_900), 1).await;
    let buyers = buyers_of(&shop, &vase, 1, 2).await;
    rush(&buyers).await;
    let mut wanted = Vec::new();
    for buyer in &buyers {
        wanted.push(buyer.cart().await.items().len());
    }
    wanted.sort_unstable();
    assert_eq!(wanted, [0, 1]);
}

#[tokio::test]
async fn sixty_buyers_of_twenty_pieces() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let vase = admin.sells("vase", &euros(9_900), 20).await;
    let buyers = buyers_of(&shop, &vase, 1, 60).await;
    let (happy, unhappy) = rush(&buyers).await;
    assert_eq!(happy.len(), 20);
    for answer in happy {
        assert_eq!(answer["status"], "confirmed", "{answer}");
    }
    for answer in unhappy {
        answer.expect_problem(409, "out-of-stock");
    }
    assert_eq!(admin.books(&vase).await, Books { available: 0, reserved: 0, sold: 20 });
}

#[tokio::test]
async fn carts_that_want_the_same_two_in_another_order_do_not_block_each_other() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (vase, lamp) = (admin.sells("vase", &euros(9_900), 5).await, admin.sells("lamp", &euros(4_900), 5).await);
    let mut buyers = buyers_of(&shop, &vase, 1, 4).await;
    for buyer in &buyers {
        buyer.adds(&lamp, 1).await.expect_status(200);
    }
    let others = buyers_of(&shop, &lamp, 1, 4).await;
    for buyer in &others {
        buyer.adds(&vase, 1).await.expect_status(200);
    }
    buyers.extend(others);
    let (happy, unhappy) = rush(&buyers).await;
    // Each may be refused because another held a piece for a moment, but nobody takes a piece that they do not keep.
    assert!(happy.len() <= 5, "{happy:#?}");
    for answer in unhappy {
        answer.expect_problem(409, "out-of-stock");
    }
    let sold = u64::try_from(happy.len()).unwrap();
    for ware in [&vase, &lamp] {
        assert_eq!(admin.books(ware).await, Books { available: 5 - sold, reserved: 0, sold });
    }
}
