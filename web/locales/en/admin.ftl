### The pages of the people who run the shop: menu and overview.

admin-nav-label = Parts of the shop
admin-nav-shop = Go to the shop
admin-nav-overview = Overview
admin-overview-title = Overview
overview-number-down = does not answer right now
overview-todo = Before the first sale
overview-todo-settings = Enter the name, the address and the VAT number of the shop
overview-todo-sample = They are still those of the sample shop.
overview-todo-shipping = Check the shipping zones and their prices
overview-todo-taxes = Check the tax rates
overview-todo-products = Create products, or import them
overview-todo-payment = Check how customers pay
overview-todo-demo = The shop takes demo payments: nobody pays real money. The operator sets PAYMENT_METHODS.
overview-todo-staff = Give roles to the people who work for the shop
overview-urgent-count = Payments that need attention
overview-sales = Sales
overview-sales-rule = Orders of a day (UTC) that are confirmed, with taxes and shipping, without those that were cancelled or refunded as a whole.
overview-sales-today = Today
overview-sales-week = Last 7 days
overview-sales-day-before = { $total } on the same day last week
overview-sales-week-before = { $total } in the 7 days before
overview-sales-chart = Sales of the last 14 days
overview-sales-table = Show as a table
overview-sales-day = Day
overview-orders = { $count ->
    [one] { $number } order
   *[other] { $number } orders
}
overview-low-stock = Low in stock
overview-low-stock-none = No product is low in stock.
products-view-all = All
products-view-low-stock = Low in stock
products-low-stock-rule = { $count ->
    [0] Products of which no piece is available.
    [1] Products of which at most 1 piece is available. The scarcest come first.
   *[other] Products of which at most { $count } pieces are available. The scarcest come first.
}
products-low-stock-below = At most in stock
