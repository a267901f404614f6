### The pages of the people who run the shop: menu and overview.

admin-nav-label = Bereiche des Shops
admin-nav-shop = Zum Shop
admin-nav-overview = Übersicht
admin-overview-title = Übersicht
overview-number-down = antwortet gerade nicht
overview-todo = Vor dem ersten Verkauf
overview-todo-settings = Name, Adresse und USt-IdNr. des Shops eingeben
overview-todo-sample = Es sind noch die des Beispielshops.
overview-todo-shipping = Versandzonen und ihre Preise prüfen
overview-todo-taxes = Steuersätze prüfen
overview-todo-products = Produkte anlegen oder importieren
overview-todo-payment = Prüfen, wie Kunden bezahlen
overview-todo-demo = Der Shop nimmt Demo-Zahlungen an: Niemand zahlt echtes Geld. Der Betreiber setzt PAYMENT_METHODS.
overview-todo-staff = Rollen an die Menschen vergeben, die für den Shop arbeiten
overview-urgent-count = Zu klärende Zahlungen
overview-sales = Umsatz
overview-sales-rule = Bestätigte Bestellungen eines Tages (UTC) mit Steuern und Versand, ohne ganz stornierte und ganz erstattete.
overview-sales-today = Heute
overview-sales-week = Letzte 7 Tage
overview-sales-day-before = { $total } am selben Tag der Vorwoche
overview-sales-week-before = { $total } in den 7 Tagen davor
overview-sales-chart = Umsatz der letzten 14 Tage
overview-sales-table = Als Tabelle zeigen
overview-sales-day = Tag
overview-orders = { $count ->
    [one] { $number } Bestellung
   *[other] { $number } Bestellungen
}
overview-low-stock = Geringer Bestand
overview-low-stock-none = Kein Produkt hat geringen Bestand.
products-view-all = Alle
products-view-low-stock = Geringer Bestand
products-low-stock-rule = { $count ->
    [0] Produkte, von denen kein Stück verfügbar ist.
    [1] Produkte, von denen höchstens 1 Stück verfügbar ist. Die knappsten zuerst.
   *[other] Produkte, von denen höchstens { $count } Stück verfügbar sind. Die knappsten zuerst.
}
products-low-stock-below = Höchstens verfügbar
