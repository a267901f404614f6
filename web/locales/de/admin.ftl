### The pages of the people who run the shop: menu and overview.

admin-nav-label = Bereiche des Shops
admin-nav-shop = Zum Shop
admin-nav-overview = Übersicht
admin-overview-title = Übersicht
overview-number-down = antwortet gerade nicht
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
