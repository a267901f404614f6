### The home page.

home-title = Welcome to { $shop }
home-lead = Have a look around, and order with or without an account.
home-description = The shop of { $shop }: look around, and order as a guest or with an account.
home-browse = Browse all products
home-categories = Shop by category
home-new = New in the shop
home-all-products = See all products
catalogue-empty = There are no products yet.
promise-delivery = Delivered in { $from } to { $to } days
promise-delivery-days = { $days ->
    [one] Delivered in { $days } day
   *[other] Delivered in { $days } days
}
promise-free-shipping = Free shipping from { $total }
promise-returns = Returns and refunds
promise-guest = Order without an account
