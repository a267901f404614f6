### Listen von Produkten, und die Seite eines Produkts.

category-description = { $category } bei { $shop }: Preise, Verfügbarkeit und Lieferzeiten auf einen Blick. Bestellen Sie als Gast oder mit Konto.
search-title = Suche: { $words }
search-all-title = Alle Produkte
search-all-description = Alle Produkte von { $shop } mit Preisen, Verfügbarkeit und Lieferzeiten.
search-empty = Nichts gefunden für „{ $words }“.
search-empty-hint = Prüfen Sie die Schreibweise, oder versuchen Sie weniger oder allgemeinere Wörter.
sort-label = Sortieren nach
sort-submit = Sortieren
sort-newest = Neueste zuerst
sort-price-ascending = Preis aufsteigend
sort-price-descending = Preis absteigend
sort-name = Name
paging-label = Seiten
paging-first = Zurück zur ersten Seite
paging-next = Nächste Seite
breadcrumbs-label = Sie sind hier
breadcrumbs-home = Start
price-with-tax = Inklusive Mehrwertsteuer, zuzüglich Versand
price-without-tax = Zuzüglich Steuer und Versand
stock-none = Ausverkauft
stock-few = { $count ->
    [one] Nur noch { $count } Stück
   *[other] Nur noch { $count } Stück
}
stock-many = Auf Lager
product-supplier = von { $supplier }
product-description = { $name }: { $price }. Bestellen Sie als Gast oder mit Konto.
product-digital = Lieferung per E-Mail
product-quantity = Menge
product-add-to-cart = In den Warenkorb
product-add-to-wishlist = Auf die Merkliste
product-sold-out = Dieses Produkt ist zurzeit ausverkauft.
product-about = Über dieses Produkt
product-related = Das könnte Ihnen auch gefallen
