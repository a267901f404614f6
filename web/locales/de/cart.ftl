### Warenkorb und Merkliste.

cart-title = Warenkorb
cart-empty = Ihr Warenkorb ist leer.
cart-empty-sign-in = Anmelden, um den Warenkorb Ihres Kontos zu sehen
cart-stale = Preise und Verfügbarkeit lassen sich gerade nicht prüfen; Sie sehen die zuletzt bekannten. Sie können Artikel entfernen und in einer Minute wieder bestellen.
cart-each = je { $price }
cart-summary = Übersicht
cart-code = Rabattcode
cart-code-submit = Einlösen
cart-code-refused = Dieser Code gilt nicht für Ihren Warenkorb.
cart-checkout = Zur Kasse
cart-not-orderable = Bitte ändern oder entfernen Sie die markierten Artikel, bevor Sie bestellen.
cart-no-quote = Die genaue Summe lässt sich gerade nicht berechnen.
cart-estimate = Versand und Steuern hängen von Ihrer Adresse ab. Die Kasse zeigt die endgültige Summe, bevor Sie bestellen.
cart-estimate-digital = Die Steuern hängen von Ihrer Adresse ab. Die Kasse zeigt die endgültige Summe, bevor Sie bestellen.
cart-other-currency = { $product } hat einen Preis in { $currency }, dieser Shop verkauft aber in { $shop }. Entfernen Sie den Artikel, um zu bestellen.
cart-order-waits = Eine Bestellung dieses Warenkorbs wartet auf ihre Zahlung oder Bestätigung.
cart-problem = Der Warenkorb ließ sich nicht ändern. Bitte versuchen Sie es erneut.
line-quantity = Menge von { $product }
line-update = Ändern
line-remove = Entfernen
line-short = { $count ->
    [0] Ausverkauft
    [one] Nur noch { $count } Stück
   *[other] Nur noch { $count } Stück
}
line-discontinued = Wird nicht mehr verkauft
line-currency = Lässt sich nicht zusammen mit den anderen Artikeln bestellen
sum-goods = Artikel
sum-discount = Rabatt
sum-code = Code { $code }
sum-shipping = Versand
sum-shipping-free = kostenlos
sum-shipping-from = ab { $price }
sum-tax = Steuer { $rate }
sum-tax-included = Enthält { $rate } MwSt.
sum-total = Summe
sum-total-without-shipping = Summe ohne Versand
wishlist-title = Merkliste
wishlist-empty = Ihre Merkliste ist leer. Öffnen Sie ein Produkt und wählen Sie „Auf die Merkliste“.

## Was nicht funktioniert hat, nach dem Code des Problems.

problem-quantity = Bitte geben Sie eine Menge von 1 bis 999 ein.
problem-validation = Bitte geben Sie eine Menge von 1 bis 999 ein.
problem-unavailable = Der Shop antwortet gerade nicht. Sehen Sie sich den Warenkorb unten an und versuchen Sie es in einer Minute noch einmal.
problem-not-found = Dieses Produkt wird nicht mehr verkauft.
problem-conflict = Der Warenkorb ist voll: Er fasst 100 verschiedene Produkte und je 999 Stück.
problem-currency-mixed = Dieses Produkt hat eine andere Währung als die übrigen in Ihrem Warenkorb.
problem-cart-merged = Dieser Warenkorb gehört jetzt zu einem Konto. Bitte melden Sie sich an.

## Warum ein Rabattcode nicht gilt.

code-unknown = diesen Code kennen wir nicht
code-not-started = gilt noch nicht
code-expired = gilt nicht mehr
code-below-minimum = der Wert Ihres Warenkorbs ist zu niedrig
code-no-product = gilt für andere Produkte
code-limit-reached = aufgebraucht
code-customer-limit-reached = Sie haben diesen Code schon so oft verwendet, wie er es erlaubt
code-not-combinable = nicht mit Ihrem anderen Rabatt kombinierbar
code-no-gain = Ihre Bestellung ist ohne ihn günstiger
code-other-currency = gilt in einer anderen Währung
