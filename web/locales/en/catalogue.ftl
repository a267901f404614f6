### Lists of products, and the page of a product.

category-description = { $category } at { $shop }: prices, stock and delivery times at a glance. Order as a guest or with an account.
search-title = Search: { $words }
search-all-title = All products
search-all-description = All products of { $shop }, with prices, stock and delivery times.
search-empty = Nothing found for “{ $words }”.
search-empty-hint = Check the spelling, or try fewer or more general words.
sort-label = Sort by
sort-submit = Sort
sort-newest = Newest first
sort-price-ascending = Price: low to high
sort-price-descending = Price: high to low
sort-name = Name
paging-label = Pages
paging-first = Back to the first page
paging-next = Next page
breadcrumbs-label = You are here
breadcrumbs-home = Home
price-with-tax = Includes VAT, plus shipping
price-without-tax = Plus tax and shipping
stock-none = Out of stock
stock-few = { $count ->
    [one] Only { $count } left
   *[other] Only { $count } left
}
stock-many = In stock
product-supplier = by { $supplier }
product-description = { $name }: { $price }. Order as a guest or with an account.
product-digital = Delivered by e-mail
product-quantity = Quantity
product-add-to-cart = Add to cart
product-add-to-wishlist = Add to wishlist
product-sold-out = This product is out of stock right now.
product-about = About this product
product-related = You may also like
