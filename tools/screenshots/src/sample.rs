//! Customers and orders in several states.

use journeys::{Admin, Customer, Method, PASSWORD, Product, Shop, order_with};
use serde_json::{Value, json};

/// Orders of guests, so that lists are as full as those of a shop.
const GUESTS: [&str; 14] = [
    "ben", "clara", "david", "emma", "felix", "greta", "hugo", "ida", "jonas", "klara", "leon", "mila", "noah", "olga",
];

/// What the pages show.
pub(crate) struct Sample {
    pub(crate) product: Product,
    pub(crate) sold_out: Option<Product>,
    pub(crate) customer: Customer,
    pub(crate) orders: Orders,
    pub(crate) guest_order: GuestOrder,
    pub(crate) waiting: GuestOrder,
    pub(crate) discount: String,
}

/// An order of a guest: its id and the key of its link.
pub(crate) struct GuestOrder {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// Ids of the customer's orders by state.
pub(crate) struct Orders {
    pub(crate) paid: String,
    pub(crate) sent_in_parcels: String,
    pub(crate) refunded: String,
}

impl Sample {
    pub(crate) async fn fill(shop: &Shop) -> Result<Self, String> {
        let admin = shop.admin().await;
        let all: Vec<Value> = admin.list_all("/products", &[("sort", "newest")]).await;
        // Parcels have no digital products. The sample shop has only two books.
        let is_in_stock = |product: &&Value| {
            product["available"].as_u64() > Some(20) && product["digital"] == false && product["category"] != "books"
        };
        let in_stock: Vec<Product> = all.iter().filter(is_in_stock).map(Product::from_json).collect();
        let sold_out = all.iter().find(|product| product["available"] == 0).map(Product::from_json);
        let [first, second, third, ..] = &in_stock[..] else {
            return Err("the sample catalogue has too few products in stock".to_owned());
        };

        let discount = admin.request(Method::POST, "/shopping/admin/discounts").json(json!({
            "code": "WELCOME10", "kind": "percent", "value": 1_000, "minimum": {"amount": 2_000, "currency": "EUR"},
        }));
        let discount = discount.await.expect_status(201).id().to_owned();
        for (number, guest) in GUESTS.iter().enumerate() {
            let products = [&in_stock[number % in_stock.len()], &in_stock[(number * 7 + 3) % in_stock.len()]];
            place_guest_order(shop, guest, &products, "demo_ok").await?;
        }
        let guest_order = place_guest_order(shop, "paula", &[second, third], "demo_ok").await?;
        let waiting = place_guest_order(shop, "quentin", &[first, third], "demo_review").await?;

        let (client, email) = (shop.client(), "ana@example.com");
        let sign_in = client.sign_up(email, PASSWORD).await.expect_status(201);
        let customer = Customer::from_sign_in(&client, email, PASSWORD, &sign_in);
        for line1 in ["Hauptstraße 1", "Am Markt 12"] {
            customer.add_address(address(line1)).await.expect_status(201);
        }
        for product in [first, second, third] {
            customer.add_to_wishlist(product).await.expect_status(200);
        }
        let orders = Orders::place(&admin, &customer, [first, second, third]).await;
        customer.add_to_cart(first, 2).await.expect_status(200);
        customer.add_to_cart(third, 1).await.expect_status(200);
        Ok(Self { product: first.clone(), sold_out, customer, orders, guest_order, waiting, discount })
    }
}

impl Orders {
    async fn place(admin: &Admin, customer: &Customer, [first, second, third]: [&Product; 3]) -> Self {
        let order = async |key: &str| {
            for (product, pieces) in [(first, 3), (second, 1), (third, 2)] {
                customer.add_to_cart(product, pieces).await.expect_status(200);
            }
            customer.place_order_with(key, json!({"shipping_method": "standard"})).await.expect_status(201)
        };
        let line = |product: &Product, pieces: u64| json!({"product_id": product.id, "quantity": pieces});

        let sent = order("sent").await.id().to_owned();
        for (lines, tracking) in [
            (json!([line(first, 2), line(second, 1)]), "00340434161094042557"),
            (json!([line(first, 1), line(third, 2)]), "00340434161094042564"),
        ] {
            let parcel = json!({"lines": lines, "carrier": "DHL", "tracking": tracking});
            admin.ship_parcel(&sent, parcel).await.expect_status(201);
        }
        admin.add_note(&sent, "The customer asked for a gift wrapping.").await.expect_status(201);
        let refunded = order("refunded").await.id().to_owned();
        let refund = json!({"lines": [line(second, 1)], "reason": "Chipped"});
        admin.refund(&refunded, "refund", refund).await.expect_status(201);
        let cancelled = order("cancelled").await;
        customer.cancel_order(cancelled.id()).await.expect_status(200);
        let paid = order("paid").await.id().to_owned();
        Self { paid, sent_in_parcels: sent, refunded }
    }
}

async fn place_guest_order(shop: &Shop, name: &str, products: &[&Product], token: &str) -> Result<GuestOrder, String> {
    let guest = shop.client().create_guest_cart().await;
    for product in products {
        guest.add_to_cart(product, 1).await.expect_status(200);
    }
    let payment = json!({"method": "demo", "token": token});
    let fields = json!({"shipping_method": "standard", "payment": payment});
    let mut order = order_with(&format!("{name}@example.com"), fields);
    order["shipping_address"]["name"] = format!("{}{} Berger", name[..1].to_uppercase(), &name[1..]).into();
    let placed = guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", name).json(order).await;
    let link = placed["link"].as_str().and_then(|link| link.split_once("key="));
    let (_, key) = link.ok_or_else(|| format!("no order of a guest: {placed}"))?;
    Ok(GuestOrder { id: placed.id().to_owned(), key: key.to_owned() })
}

fn address(line1: &str) -> Value {
    json!({"name": "Ana Silva", "line1": line1, "city": "Berlin", "postal_code": "10117", "country": "DE"})
}
