//! The cart shows what an order would cost at this moment, and what stands in its way; the wishlist remembers what
//! somebody may want one day.

use journeys::{Method, Shop, at_once, euros, members, money, unique};
use serde_json::{Value, json};

/// A UUID that no product has.
const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn a_new_cart_is_empty() {
    let shop = Shop::shared().await;
    let cart = shop.new_customer("Ana").await.cart().await.expect_status(200);
    assert_eq!(cart.body, json!({"items": [], "total": euros(0)}));
}

#[tokio::test]
async fn adding_again_adds_up() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let cart = ana.adds(&tea, 3).await.expect_status(200);
    assert_eq!(cart.items().len(), 1);
    assert_eq!(cart.line(&tea)["quantity"], 5);
    assert_eq!(cart["total"], euros(2_495));
    assert_eq!(ana.cart().await.body, cart.body);
}

#[tokio::test]
async fn clicks_at_the_same_time_all_count() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    let ana = shop.new_customer("Ana").await;
    for answer in at_once((0..20).map(|_| ana.adds(&tea, 1))).await {
        answer.expect_status(200);
    }
    assert_eq!(ana.cart().await.line(&tea)["quantity"], 20);
}

/// Several changes of one line at once count all; of different lines, none undoes another.
#[tokio::test]
async fn two_devices_undo_nothing_of_each_other() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(12).await;
    let phone = shop.new_customer("Ana").await;
    let laptop = phone.elsewhere().await;
    let (tea, rest) = shelf.split_first().unwrap();
    let (leaving, coming) = rest.split_at(3);
    for ware in leaving {
        phone.adds(ware, 1).await.expect_status(200);
    }
    let adding = (0..40).map(|turn| if turn % 2 == 0 { phone.adds(tea, 1) } else { laptop.adds(tea, 2) });
    let setting =
        (2..).zip(coming).map(
            |(quantity, ware)| {
                if quantity % 2 == 0 { phone.sets(ware, quantity) } else { laptop.sets(ware, quantity) }
            },
        );
    let removing = leaving.iter().map(|ware| laptop.removes(ware));
    for answer in at_once(adding.chain(setting).chain(removing)).await {
        assert!(matches!(answer.status, 200 | 204), "{answer}");
    }
    let cart = phone.cart().await.expect_status(200);
    assert_eq!(cart.line(tea)["quantity"], 60);
    for (quantity, ware) in (2..).zip(coming) {
        assert_eq!(cart.line(ware)["quantity"], quantity, "{cart}");
    }
    assert_eq!(cart.items().len(), 1 + coming.len(), "{cart}");
    assert_eq!(laptop.cart().await.body, cart.body);
}

#[tokio::test]
async fn the_quantity_can_be_set() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 5).await.expect_status(200);
    assert_eq!(ana.sets(&tea, 2).await.expect_status(200).line(&tea)["quantity"], 2);
}

#[tokio::test]
async fn setting_adds_a_line_that_is_not_there() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    assert_eq!(ana.sets(&tea, 2).await.expect_status(200).line(&tea)["quantity"], 2);
}

#[tokio::test]
async fn a_line_can_be_removed_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.adds(&cup, 1).await.expect_status(200);
    ana.removes(&tea).await.expect_status(204);
    ana.removes(&tea).await.expect_problem(404, "not-found");
    let cart = ana.cart().await;
    assert_eq!(cart.line(&tea), &Value::Null);
    assert_eq!(cart["total"], euros(650));
}

#[tokio::test]
async fn the_cart_can_be_emptied() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.empties_the_cart().await.expect_status(204);
    ana.empties_the_cart().await.expect_status(204);
    assert_eq!(ana.cart().await["items"], json!([]));
}

#[tokio::test]
async fn everybody_has_a_cart_of_their_own() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    ana.adds(&tea, 2).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);
    assert_eq!(ben.cart().await["items"], json!([]));
    assert_eq!(ben.wishlist().await["items"], json!([]));
}

#[tokio::test]
async fn the_cart_shows_todays_offer() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let offer = json!({"name": unique("green tea"), "price": euros(549), "image": "/tea.svg"});
    admin.edits(&tea, offer.clone()).await.expect_status(200);
    let cart = ana.cart().await.expect_status(200);
    for field in members(&offer) {
        assert_eq!(cart.line(&tea)["product"][field], offer[field], "{field}");
    }
    assert_eq!((&cart.line(&tea)["total"], &cart["total"]), (&euros(1_098), &euros(1_098)));
}

#[tokio::test]
async fn what_is_short_of_stock_is_marked() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    for (wanted, left, status) in [(2, 10, "ok"), (2, 2, "ok"), (2, 1, "short"), (2, 0, "short"), (2, 3, "ok")] {
        ana.sets(&tea, wanted).await.expect_status(200);
        admin.restocks(&tea, left).await.expect_status(200);
        let cart = ana.cart().await;
        let line = cart.line(&tea);
        assert_eq!((&line["status"], &line["available"]), (&json!(status), &json!(left)), "{cart}");
        assert_eq!(cart["total"], euros(998), "it is still wanted");
    }
}

#[tokio::test]
async fn more_than_there_is_may_be_wanted() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 1).await;
    let cart = shop.new_customer("Ana").await.adds(&tea, 5).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&tea)["status"]), (&json!(5), &json!("short")));
}

#[tokio::test]
async fn what_is_gone_is_marked_and_costs_nothing() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.adds(&cup, 1).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    let cart = ana.cart().await.expect_status(200);
    let gone = cart.line(&tea);
    assert_eq!((&gone["status"], &gone["available"]), (&json!("gone"), &json!(0)));
    assert_eq!((&gone["product"]["name"], &gone["product"]["price"]), (&json!(tea.name), &tea.price));
    assert_eq!(cart["total"], euros(650));
}

#[tokio::test]
async fn what_is_gone_can_be_removed() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    ana.removes(&tea).await.expect_status(204);
    assert_eq!(ana.cart().await["items"], json!([]));
}

#[tokio::test]
async fn one_cart_has_one_currency() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let jeans = admin.sells("jeans", &money(5_999, "USD"), 10).await;
    let ana = shop.new_customer("Ana").await;
    let cart = ana.adds(&tea, 1).await.expect_status(200);
    ana.adds(&jeans, 1).await.expect_problem(409, "currency-mixed");
    ana.sets(&jeans, 1).await.expect_problem(409, "currency-mixed");
    assert_eq!(ana.cart().await.body, cart.body);
    ana.removes(&tea).await.expect_status(204);
    assert_eq!(ana.adds(&jeans, 2).await.expect_status(200)["total"], money(11_998, "USD"));
}

#[tokio::test]
async fn a_line_holds_999_at_most() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 5_000).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1_000).await.expect_bad_fields(&["quantity"]);
    ana.adds(&tea, 998).await.expect_status(200);
    ana.adds(&tea, 2).await.expect_bad_fields(&["quantity"]);
    ana.sets(&tea, 1_000).await.expect_bad_fields(&["quantity"]);
    let cart = ana.adds(&tea, 1).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart["total"]), (&json!(999), &euros(498_501)));
}

#[tokio::test]
async fn a_cart_holds_100_lines_at_most() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(101).await;
    let ana = shop.new_customer("Ana").await;
    let (last, others) = shelf.split_last().unwrap();
    for ware in others {
        ana.adds(ware, 1).await.expect_status(200);
    }
    ana.adds(last, 1).await.expect_problem(409, "conflict");
    ana.sets(last, 1).await.expect_problem(409, "conflict");
    let cart = ana.adds(&others[0], 1).await.expect_status(200);
    assert_eq!((cart.items().len(), &cart["total"]), (100, &euros(5_051)));
}

#[tokio::test]
async fn what_was_never_sold_cannot_be_wanted() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let line = json!({"product_id": UNKNOWN, "quantity": 1});
    ana.asks(Method::POST, "/shopping/cart").json(line).await.expect_problem(404, "not-found");
    let path = format!("/shopping/cart/{UNKNOWN}");
    ana.asks(Method::PUT, &path).json(json!({"quantity": 1})).await.expect_problem(404, "not-found");
    let wish = json!({"product_id": UNKNOWN});
    ana.asks(Method::POST, "/shopping/wishlist").json(wish).await.expect_problem(404, "not-found");
    assert_eq!(ana.cart().await["items"], json!([]));
    assert_eq!(ana.wishlist().await["items"], json!([]));
}

#[tokio::test]
async fn a_wish_shows_the_product_and_its_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 3).await;
    let ana = shop.new_customer("Ana").await;
    let product = json!({"id": tea.id, "name": tea.name, "price": tea.price, "image": null});
    let wishlist = ana.wishes_for(&tea).await.expect_status(200);
    assert_eq!(wishlist.items(), [json!({"product": product, "status": "ok", "available": 3})]);
    assert_eq!(ana.wishlist().await.body, wishlist.body);
}

#[tokio::test]
async fn wishing_twice_is_wishing_once() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 3).await;
    let ana = shop.new_customer("Ana").await;
    let once = ana.wishes_for(&tea).await.expect_status(200);
    assert_eq!(ana.wishes_for(&tea).await.expect_status(200).body, once.body);
}

#[tokio::test]
async fn a_wish_can_be_forgotten_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 3).await, admin.sells("cup", &euros(650), 3).await);
    let ana = shop.new_customer("Ana").await;
    ana.wishes_for(&tea).await.expect_status(200);
    ana.wishes_for(&cup).await.expect_status(200);
    ana.forgets(&tea).await.expect_status(204);
    ana.forgets(&tea).await.expect_problem(404, "not-found");
    let wishlist = ana.wishlist().await;
    assert_eq!((wishlist.items().len(), wishlist.line(&tea)), (1, &Value::Null));
}

#[tokio::test]
async fn a_wish_for_what_is_gone_stays_and_says_so() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 3).await;
    let ana = shop.new_customer("Ana").await;
    ana.wishes_for(&tea).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    let wishlist = ana.wishlist().await.expect_status(200);
    assert_eq!(wishlist.line(&tea)["status"], "gone");
    assert_eq!(wishlist.line(&tea)["product"]["name"], *tea.name);
}

#[tokio::test]
async fn a_wishlist_holds_200_products_at_most() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(201).await;
    let ana = shop.new_customer("Ana").await;
    let (last, others) = shelf.split_last().unwrap();
    for ware in others {
        ana.wishes_for(ware).await.expect_status(200);
    }
    ana.wishes_for(last).await.expect_problem(409, "conflict");
    ana.wishes_for(&others[0]).await.expect_status(200);
    assert_eq!(ana.walks_through("/shopping/wishlist", &[]).await.len(), 200);
}
