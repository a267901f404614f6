### The frame of every page, and words that several pages share.

skip-to-content = Skip to content
search-label = Search products
search-submit = Search
nav-personal = Your shop
nav-account = Account
nav-sign-in = Sign in
nav-wishlist = Wishlist
nav-cart = Cart
nav-cart-pieces = { $count ->
    [one] item
   *[other] items
}
nav-categories = Categories
nav-all-categories = All categories
footer-help = Help
footer-legal = Legal
footer-language = Language
footer-prices-with-tax = All prices include VAT. Shipping is extra.
footer-prices-without-tax = Prices do not include tax. Shipping is extra.
part-unavailable = This part of the page cannot be shown right now. Please try again in a minute.

date-long = { $day } { $month } { $year }
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
count-products = { $count ->
    [one] { $number } product
   *[other] { $number } products
}
