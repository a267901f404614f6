### The checkout and the payment.

checkout-title = Checkout
checkout-back = Back to cart
checkout-contact = Contact
checkout-have-account = Do you have an account?
checkout-signed-in = Signed in as { $email }
checkout-email = E-mail address
checkout-email-hint = We send the confirmation and news about your parcel there.
checkout-email-hint-digital = We send the confirmation there.
checkout-address = Delivery address
checkout-billing-address = Billing address
checkout-saved-addresses = Your saved addresses
checkout-new-address = Another address
checkout-other-billing = The billing address is another one
checkout-company = Ordering for a company in the EU?
checkout-vat-number = VAT number
checkout-shipping = Shipping
checkout-methods-need-address = Complete or correct the address, with postal code and, where there is one, region, then press “Update”: we show how we ship there.
checkout-methods-unavailable = The ways of shipping cannot be shown right now. Please try again in a minute.
checkout-methods-refused = We show the ways of shipping as soon as the order has a price.
checkout-no-method = We do not ship these items to this address. Please choose another address or country.
checkout-days-within = { $count ->
    [one] Ready within { $count } day
   *[other] Ready within { $count } days
}
checkout-days-today = Ready today
checkout-update = Update
checkout-update-hint = Shows shipping, taxes and the total for your address.
checkout-payment = Payment
checkout-no-payment = This shop cannot take payments right now. Please contact us.
payment-demo = Demo payment
payment-demo-hint = No money moves. Choose what the payment does.
payment-stripe = Card and other ways to pay
payment-stripe-hint = You pay on the next page, safely at Stripe.
demo-outcome = Outcome of the payment
demo-ok = Paid at once
demo-declined = Declined
demo-review = Authorized until an admin captures it
demo-timeout = The answer is lost, and looked up
demo-twice = The notification arrives twice
demo-underpaid = Half of the total is paid
demo-refused = Refused by the provider
demo-refund-pending = Paid; a refund is pending for a while
demo-refund-failed = Paid; the first refund fails
demo-refund-reversed = Paid; the first refund is reversed
demo-late = Arrives after the reservation has expired
checkout-note-title = Note
checkout-note = Note for your order
checkout-review = Review and order
checkout-estimate = Shipping and taxes are an estimate until your address is complete.
checkout-estimate-digital = Taxes are an estimate until your address is complete.
checkout-total-needs-address = Complete or correct the address, with postal code and, where there is one, region, then press “Update”: we show the total for your address.
checkout-terms = By ordering you accept:
checkout-order = Order with obligation to pay
checkout-change-cart = Change the cart
checkout-open-order = Open that order
checkout-account-down = Your account does not answer right now. Please type the e-mail address and the address for this order.
checkout-no-price = The total cannot be calculated right now, so nothing can be ordered. Your cart is safe; please update this page in a minute.
checkout-unknown = The shop does not answer right now. Your order may have arrived or not: press “Order” again in a moment. It cannot be ordered twice.
checkout-refused = The order cannot be placed like this. Please check what you entered and try again.
checkout-quote-changed = The total has changed. Please check the new total below, then order again.
checkout-out-of-stock = Not everything is in stock any more. Nothing was ordered. Please change your cart:
checkout-discontinued = One product is no longer sold
checkout-available = { $count ->
    [0] { $name }: out of stock
   *[other] { $name }: only { $count } left
}
checkout-discount-unavailable = Your discount cannot be used any more. Nothing was ordered. Please check the new total below.
checkout-under-way = { $minutes ->
    [one] An order of this cart waits for its payment. Pay or cancel it, or wait for at most { $minutes } minute.
   *[other] An order of this cart waits for its payment. Pay or cancel it, or wait for at most { $minutes } minutes.
}
checkout-too-many-pieces = One order has at most { $count } pieces. Please order the rest separately.
checkout-unverified-size = Without a verified e-mail address, an order has at most { $count } pieces. Please sign in and verify your address, or order less.
checkout-too-many-requests = Too many requests came from your network. Nothing was ordered. Please order again in a minute.
checkout-unverified-limit = Customers of your network without a verified e-mail address can have at most { $count } pieces in unpaid orders together. Please sign in and verify your address, or order again in a quarter of an hour.
checkout-currency-mixed = One product has another currency than the shop. Please remove it from the cart.
checkout-country-not-served = We cannot sell to this country yet. Please choose another one.
checkout-total-too-large = The total is too large for one order. Please remove something from the cart.
checkout-payment-declined = The payment was declined. Nothing was ordered and nothing was charged. Please choose another way to pay.
checkout-payment-refused = This amount cannot be paid like this. Nothing was ordered. Please change the cart or the payment.
checkout-sent-before = You have changed something since this order was sent. Please check it and order again.
checkout-interrupted = The order was interrupted. Nothing was ordered and nothing was charged. Please order again.
checkout-too-many-orders = Too many orders in a short time. Please wait a minute, then order again.
checkout-too-many-unpaid-orders = Several of your orders were not paid. Please wait an hour, then order again.
pay-title = Payment
pay-lead = Order { $number }: { $total }
pay-no-script = This payment needs JavaScript. Please allow it in your browser and reload the page. Your items are reserved for some minutes.
pay-problem = The payment did not work. Please check what you entered, or choose another way to pay.
pay-submit = Pay { $total }
pay-back = Back to your order
