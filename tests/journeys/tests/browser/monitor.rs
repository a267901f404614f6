//! The monitor of the admin pages keeps itself up to date.

use journeys::{Browser, TestShop, wait_for};

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn the_monitor_is_live() {
    let shop = TestShop::start().await;
    let (email, password) = shop.admin_account().await;
    let browser = Browser::start(&shop).await;
    browser.open("/en/account/sign-in?next=/en/admin/system").await;
    browser.fill("input[name=email]", email).await;
    browser.fill("input[name=password]", password).await;
    browser.click("main form button").await;
    // The script replaces the tables, and with them this mark.
    wait_for("the monitor", async || {
        let mark = "const row = document.querySelector('tbody th'); row?.setAttribute('data-old', ''); return !!row";
        if browser.evaluate(mark).await == true { Ok(()) } else { Err("no instance") }
    })
    .await;
    wait_for("new figures", async || {
        let is_old = browser.evaluate("return !!document.querySelector('[data-old]')").await;
        if is_old == false { Ok(()) } else { Err("the old figures") }
    })
    .await;
    assert!(browser.text("main").await.contains("These figures are live."));
}
