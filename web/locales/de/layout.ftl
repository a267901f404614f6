### Der Rahmen aller Seiten, und Wörter, die mehrere Seiten verwenden.

skip-to-content = Zum Inhalt springen
search-label = Produkte suchen
search-submit = Suchen
nav-personal = Ihr Bereich
nav-account = Konto
nav-sign-in = Anmelden
nav-wishlist = Merkliste
nav-cart = Warenkorb
nav-cart-pieces = { $count ->
    [one] Artikel
   *[other] Artikel
}
nav-categories = Kategorien
nav-all-categories = Alle Kategorien
footer-help = Hilfe
footer-legal = Rechtliches
footer-language = Sprache
footer-prices-with-tax = Alle Preise inklusive Mehrwertsteuer, zuzüglich Versand.
footer-prices-without-tax = Preise ohne Steuer, zuzüglich Versand.
part-unavailable = Dieser Teil der Seite lässt sich gerade nicht anzeigen. Bitte versuchen Sie es in einer Minute erneut.

date-long = { $day }. { $month } { $year }
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember
count-products = { $count ->
    [one] { $number } Produkt
   *[other] { $number } Produkte
}
