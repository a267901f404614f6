//! Somebody fills a cart before they have an account. When they sign in, it goes along: once, whole, and to nobody else.

use journeys::{Method, Shop, Visitor, at_once, euros, forgery, members, money};
use serde_json::{Value, json};

const ELSEWHERE: [(&str, &str); 7] = [
    ("GET", "/shopping/wishlist"),
    ("POST", "/shopping/wishlist"),
    ("POST", "/shopping/order"),
    ("GET", "/shopping/orders"),
    ("POST", "/shopping/cart/merge"),
    ("GET", "/customer/profile"),
    ("POST", "/products"),
];

#[tokio::test]
async fn a_guest_has_a_cart() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let welcome = shop.visitor().asks(Method::POST, "/shopping/guest").await.expect_status(201);
    assert_eq!(members(&welcome.body), ["expires_in", "token"]);
    assert_eq!(welcome["expires_in"], 30 * 24 * 60 * 60);
    let guest = shop.visitor().presenting(welcome["token"].as_str().unwrap());

    assert_eq!(guest.cart().await.expect_status(200).body, json!({"items": [], "total": euros(0)}));
    guest.adds(&tea, 2).await.expect_status(200);
    guest.adds(&tea, 1).await.expect_status(200);
    let cart = guest.sets(&cup, 4).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&cup)["quantity"]), (&json!(3), &json!(4)));
    assert_eq!(guest.cart().await.expect_status(200).body, cart.body);
    guest.removes(&tea).await.expect_status(204);
    guest.removes(&tea).await.expect_problem(404, "not-found");
    assert_eq!(guest.cart().await["total"], euros(2_600));
    guest.empties_the_cart().await.expect_status(204);
    assert_eq!(guest.cart().await["items"], json!([]));

    let other = shop.visitor().becomes_a_guest().await;
    other.adds(&tea, 1).await.expect_status(200);
    assert_eq!(guest.cart().await["items"], json!([]), "each has their own");
}

#[tokio::test]
async fn a_guest_has_nothing_else() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let guest = shop.visitor().becomes_a_guest().await;
    guest.adds(&tea, 1).await.expect_status(200);
    for (method, path) in ELSEWHERE {
        let ask = guest.asks(method.parse().unwrap(), path).header("Idempotency-Key", "key");
        let refused = ask.await.expect_problem(401, "unauthenticated");
        if path.starts_with("/shopping") {
            assert!(refused["detail"].as_str().unwrap().contains("sign in"), "{refused}");
        }
    }
    assert_eq!(shop.visitor().looks_at(&tea).await["available"], 10);
}

#[tokio::test]
async fn a_forged_guest_has_no_cart() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let guest = shop.visitor().becomes_a_guest().await;
    let (rest, signature) = guest.token().rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    for token in [
        format!("{rest}.{first}{}", &signature[1..]),
        format!("{rest}."),
        rest.to_owned(),
        forgery::unsigned(guest.token()),
        String::new(),
    ] {
        shop.visitor().presenting(&token).cart().await.expect_problem(401, "unauthenticated");
        ana.merges(&shop.visitor().presenting(&token)).await.expect_bad_fields(&["guest"]);
    }
    let ben = shop.new_customer("Ben").await;
    ana.merges(&ben).await.expect_bad_fields(&["guest"]);
    ana.asks(Method::POST, "/shopping/cart/merge").await.expect_bad_fields(&["guest"]);
    shop.visitor().asks(Method::POST, "/shopping/cart/merge").await.expect_problem(401, "unauthenticated");
}

/// Everything that a guest can do with a cart is refused in the same words.
async fn is_merged(guest: &Visitor, product: &journeys::Product) {
    let asks = [
        guest.cart(),
        guest.adds(product, 1),
        guest.sets(product, 1),
        guest.removes(product),
        guest.empties_the_cart(),
    ];
    for ask in asks {
        ask.await.expect_problem(409, "cart-merged");
    }
}

#[tokio::test]
async fn who_signs_in_takes_the_cart_along() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let guest = shop.visitor().becomes_a_guest().await;
    guest.adds(&tea, 3).await.expect_status(200);
    guest.adds(&cup, 1).await.expect_status(200);

    let merged = ana.merges(&guest).await.expect_status(200);
    assert_eq!(members(&merged.body), ["cart", "left_out"]);
    assert_eq!(merged["left_out"], json!([]));
    let cart = ana.cart().await.expect_status(200);
    assert_eq!(merged["cart"], cart.body);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&cup)["quantity"]), (&json!(5), &json!(1)));
    is_merged(&guest, &tea).await;

    ana.removes(&cup).await.expect_status(204);
    let again = ana.merges(&guest).await.expect_status(200);
    assert_eq!((again["cart"]["total"].clone(), &again["left_out"]), (euros(2_495), &json!([])), "nothing comes twice");
    let ben = shop.new_customer("Ben").await;
    ben.merges(&guest).await.expect_problem(409, "cart-merged");
    assert_eq!(ben.cart().await["items"], json!([]));
    ana.orders("key").await.expect_status(201);
}

#[tokio::test]
async fn sign_ins_at_once_double_nothing() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    let ana = shop.new_customer("Ana").await;
    let on_the_phone = ana.elsewhere().await;
    ana.adds(&tea, 1).await.expect_status(200);
    let guest = shop.visitor().becomes_a_guest().await;
    guest.adds(&tea, 7).await.expect_status(200);
    let asks = (0..10).map(|turn| if turn % 2 == 0 { ana.merges(&guest) } else { on_the_phone.merges(&guest) });
    for answer in at_once(asks).await {
        assert_eq!(answer.expect_status(200)["left_out"], json!([]));
    }
    assert_eq!(ana.cart().await.line(&tea)["quantity"], 8);
}

#[tokio::test]
async fn of_two_people_who_take_one_cart_one_has_it() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    for _ in 0..5 {
        let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
        let guest = shop.visitor().becomes_a_guest().await;
        guest.adds(&tea, 7).await.expect_status(200);
        let answers = at_once([ana.merges(&guest), ben.merges(&guest), ana.merges(&guest), ben.merges(&guest)]).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let (winner, loser) = if statuses[0] == 200 { (&ana, &ben) } else { (&ben, &ana) };
        assert!(matches!(statuses[..], [200, 409, 200, 409] | [409, 200, 409, 200]), "{statuses:?}");
        assert_eq!(winner.cart().await.line(&tea)["quantity"], 7);
        assert_eq!(loser.cart().await["items"], json!([]));
    }
}

/// What the guest was told is in the cart, is in the cart.
#[tokio::test]
async fn what_comes_in_while_the_cart_is_taken_along_is_taken_along_or_refused() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 1_000).await;
    let ana = shop.new_customer("Ana").await;
    let guest = shop.visitor().becomes_a_guest().await;
    let asks = (0..30).map(|turn| match turn {
        10 => ana.merges(&guest),
        turn if turn % 5 == 0 => ana.adds(&tea, 1),
        _ => guest.adds(&tea, 1),
    });
    let answers = at_once(asks).await;
    let taken = answers.iter().enumerate().filter(|(turn, answer)| *turn != 10 && answer.status == 200).count();
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.expect_problem(409, "cart-merged");
    }
    assert_eq!(ana.cart().await.line(&tea)["quantity"], taken);
    is_merged(&guest, &tea).await;
}

#[tokio::test]
async fn what_does_not_fit_is_told_as_often_as_one_asks() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 5_000).await;
    let jeans = admin.sells("jeans", &money(5_999, "USD"), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 600).await.expect_status(200);
    let of = |product: &journeys::Product, quantity: u64, reason: &str| {
        let product = json!({"id": product.id, "name": product.name, "price": product.price, "image": null});
        json!([{"product": product, "quantity": quantity, "reason": reason}])
    };
    let guest = shop.visitor().becomes_a_guest().await;
    guest.adds(&tea, 400).await.expect_status(200);
    let traveller = shop.visitor().becomes_a_guest().await;
    traveller.adds(&jeans, 2).await.expect_status(200);
    for _ in 0..2 {
        let merged = ana.merges(&guest).await.expect_status(200);
        assert_eq!(merged["left_out"], of(&tea, 1, "line-full"));
        let merged = ana.merges(&traveller).await.expect_status(200);
        assert_eq!(merged["left_out"], of(&jeans, 2, "currency-mixed"));
    }
    let cart = ana.cart().await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], cart.line(&jeans)), (&json!(999), &Value::Null));
}

#[tokio::test]
async fn clicks_of_one_guest_at_the_same_time_all_count() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    let guest = shop.visitor().becomes_a_guest().await;
    for answer in at_once((0..20).map(|_| guest.adds(&tea, 1))).await {
        answer.expect_status(200);
    }
    assert_eq!(guest.cart().await.line(&tea)["quantity"], 20);
}

#[tokio::test]
async fn a_cart_that_went_to_an_account_is_not_back_when_the_account_is_gone() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    let guest = shop.visitor().becomes_a_guest().await;
    guest.adds(&tea, 1).await.expect_status(200);
    ana.merges(&guest).await.expect_status(200);
    let receipt = ana.erases_the_account().await.expect_status(202);
    journeys::erased_everywhere(&shop.visitor(), receipt.id()).await;
    ana.merges(&guest).await.expect_problem(401, "unauthenticated");
    is_merged(&guest, &tea).await;
    shop.new_customer("Ben").await.merges(&guest).await.expect_problem(409, "cart-merged");
}
