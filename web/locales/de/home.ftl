### Die Startseite.

home-title = Willkommen bei { $shop }
home-lead = Sehen Sie sich um, und bestellen Sie mit oder ohne Konto.
home-description = Der Shop von { $shop }: Sehen Sie sich um, und bestellen Sie als Gast oder mit Konto.
home-browse = Alle Produkte ansehen
home-categories = Nach Kategorie stöbern
home-new = Neu im Shop
home-all-products = Alle Produkte
catalogue-empty = Es gibt noch keine Produkte.
promise-delivery = In { $from } bis { $to } Tagen bei Ihnen
promise-delivery-days = { $days ->
    [one] In { $days } Tag bei Ihnen
   *[other] In { $days } Tagen bei Ihnen
}
promise-free-shipping = Versandkostenfrei ab { $total }
promise-returns = Rückgabe und Erstattung
promise-guest = Bestellen ohne Konto
