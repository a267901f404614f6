//! Mails of a shop without an SMTP server: files that `souk mail` shows.

use journeys::{TestShop, euros, wait_for};
use serde_json::Value;

async fn listed(shop: &TestShop, arguments: &[&str]) -> Vec<Value> {
    let list = shop.run_souk(&[&["mail", "list", "--json"], arguments].concat()).await.expect_success();
    serde_json::from_str::<Value>(&list).unwrap()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_order_sends_one_mail_that_the_operator_can_read() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 2).await;
    let mail = shop.wait_for_mail(&ana.email, "received").await;
    let number = order["number"].as_str().unwrap();
    assert!(mail.subject.contains(number), "{mail}");
    for body in [&mail.text, &mail.html] {
        assert!(body.contains(number) && body.contains(&tea.name) && body.contains("9.98 EUR"), "{body}");
    }
    assert_eq!(mail.header("Auto-Submitted"), ["auto-generated"]);
    assert_eq!(mail.header("Message-ID").len(), 1);

    // The shop looks for mails each second, so a second one would be there after a restart.
    assert!(shop.stop().await.success());
    shop.restart().await;
    let mails = wait_for("the mail to be recorded as sent", async || {
        let mails = listed(&shop, &["--to", &ana.email, "--status", "sent"]).await;
        if mails.iter().any(|mail| mail["order"] == order["id"]) { Ok(mails) } else { Err(format!("{mails:?}")) }
    })
    .await;
    let received: Vec<&Value> = mails.iter().filter(|mail| mail["order"] == order["id"]).collect();
    assert_eq!(received.len(), 1, "{mails:?}");
    assert_eq!((received[0]["kind"].as_str(), received[0]["attempts"].as_u64()), (Some("order-received"), Some(1)));

    let id = received[0]["id"].as_str().unwrap();
    let shown = shop.run_souk(&["mail", "show", id]).await.expect_success();
    assert!(shown.contains(&mail.subject) && shown.contains("9.98 EUR") && shown.contains(&ana.email), "{shown}");
    let refused = shop.run_souk(&["mail", "retry", id]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("was sent"), "{refused:?}");
    let unknown = shop.run_souk(&["mail", "show", journeys::UNKNOWN_ID]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there is no mail"), "{unknown:?}");
}

#[tokio::test]
async fn mails_of_an_erased_customer_are_deleted() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, _) = shop.customer_with_order(&tea, 1).await;
    shop.wait_for_mail(&ana.email, "received").await;
    let receipt = ana.delete_account().await.expect_status(202);
    shop.client().wait_for_erasure(receipt.id()).await;
    let notice = shop.wait_for_mail(&ana.email, "erased").await;
    let left: Vec<String> = shop.mails_to(&ana.email).into_iter().map(|mail| mail.subject).collect();
    assert_eq!(left, [notice.subject]);
    assert_eq!(listed(&shop, &["--to", &ana.email]).await, Vec::<Value>::new());
    let audit = shop.run_souk(&["audit", "--erased", &ana.id, "--word", &ana.email]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
}
