### The cart and the wishlist.

cart-title = Cart
cart-empty = Your cart is empty.
cart-empty-sign-in = Sign in to see the cart of your account
cart-stale = Prices and stock cannot be checked right now; you see the last known ones. You can remove items, and order again in a minute.
cart-each = { $price } each
cart-summary = Summary
cart-code = Discount code
cart-code-submit = Apply
cart-code-refused = This code does not apply to your cart.
cart-checkout = Go to checkout
cart-not-orderable = Please change or remove the items marked above before you order.
cart-no-quote = The exact total cannot be calculated right now.
cart-estimate = Shipping and taxes depend on your address. The checkout shows the final total before you order.
cart-estimate-digital = Taxes depend on your address. The checkout shows the final total before you order.
cart-other-currency = { $product } is priced in { $currency }, and this shop sells in { $shop }. Remove it to order.
cart-order-waits = An order of this cart waits for its payment or confirmation.
cart-problem = The cart could not be changed. Please try again.
line-quantity = Quantity of { $product }
line-update = Update
line-remove = Remove
line-short = { $count ->
    [0] Out of stock
    [one] Only { $count } left
   *[other] Only { $count } left
}
line-discontinued = No longer sold
line-currency = Cannot be ordered together with the other items
sum-goods = Items
sum-discount = Discount
sum-code = Code { $code }
sum-shipping = Shipping
sum-shipping-free = free
sum-shipping-from = from { $price }
sum-tax = Tax { $rate }
sum-tax-included = Includes { $rate } VAT
sum-total = Total
sum-total-without-shipping = Total without shipping
wishlist-title = Wishlist
wishlist-empty = Your wishlist is empty. Open a product and choose “Add to wishlist”.

## What went wrong, by the code of the problem.

problem-quantity = Please enter a quantity from 1 to 999.
problem-validation = Please enter a quantity from 1 to 999.
problem-unavailable = The shop does not answer right now. Look at the cart below, and try again in a minute.
problem-not-found = This product is no longer sold.
problem-conflict = The cart is full: it holds 100 different products and 999 pieces of each.
problem-currency-mixed = This product has another currency than the others in your cart.
problem-cart-merged = This cart belongs to an account now. Please sign in.

## Why a discount code does not apply.

code-unknown = we do not know this code
code-not-started = not valid yet
code-expired = no longer valid
code-below-minimum = the value of your cart is too low
code-no-product = valid for other products
code-limit-reached = used up
code-customer-limit-reached = you have used this code as often as it allows
code-not-combinable = cannot be combined with your other discount
code-no-gain = your order is cheaper without it
code-other-currency = valid in another currency
