### Die Kasse und die Zahlung.

checkout-title = Kasse
checkout-back = Zurück zum Warenkorb
checkout-contact = Kontakt
checkout-have-account = Haben Sie ein Konto?
checkout-signed-in = Angemeldet als { $email }
checkout-email = E-Mail-Adresse
checkout-email-hint = Dorthin senden wir die Bestätigung und Neues über Ihr Paket.
checkout-email-hint-digital = Dorthin senden wir die Bestätigung.
checkout-address = Lieferadresse
checkout-billing-address = Rechnungsadresse
checkout-saved-addresses = Ihre gespeicherten Adressen
checkout-new-address = Eine andere Adresse
checkout-other-billing = Die Rechnungsadresse ist eine andere
checkout-company = Bestellen Sie für ein Unternehmen in der EU?
checkout-vat-number = USt-IdNr.
checkout-shipping = Versand
checkout-methods-need-address = Ergänzen oder korrigieren Sie die Adresse, mit Postleitzahl und, wo es eine gibt, Region, dann wählen Sie „Aktualisieren“: Wir zeigen, wie wir dorthin liefern.
checkout-methods-unavailable = Die Versandarten lassen sich gerade nicht anzeigen. Bitte versuchen Sie es in einer Minute erneut.
checkout-methods-refused = Wir zeigen die Versandarten, sobald die Bestellung einen Preis hat.
checkout-no-method = An diese Adresse liefern wir diese Artikel nicht. Bitte wählen Sie eine andere Adresse oder ein anderes Land.
checkout-days-within = { $count ->
    [one] Innerhalb von { $count } Tag bereit
   *[other] Innerhalb von { $count } Tagen bereit
}
checkout-days-today = Heute bereit
checkout-update = Aktualisieren
checkout-update-hint = Zeigt Versand, Steuern und Summe für Ihre Adresse.
checkout-payment = Zahlung
checkout-no-payment = Dieser Shop kann gerade keine Zahlungen annehmen. Bitte schreiben Sie uns.
payment-demo = Demo-Zahlung
payment-demo-hint = Es fließt kein Geld. Wählen Sie, was die Zahlung tut.
payment-stripe = Karte und andere Zahlungsarten
payment-stripe-hint = Sie zahlen auf der nächsten Seite, sicher bei Stripe.
demo-outcome = Ergebnis der Zahlung
demo-ok = Sofort bezahlt
demo-declined = Abgelehnt
demo-review = Vorgemerkt, bis ein Admin sie einzieht
demo-timeout = Die Antwort geht verloren und wird nachgeschlagen
demo-twice = Die Benachrichtigung kommt zweimal
demo-underpaid = Die Hälfte der Summe ist bezahlt
demo-refused = Vom Zahlungsdienst zurückgewiesen
demo-refund-pending = Bezahlt; eine Erstattung dauert eine Weile
demo-refund-failed = Bezahlt; die erste Erstattung scheitert
demo-refund-reversed = Bezahlt; die erste Erstattung wird zurückgenommen
demo-late = Kommt an, nachdem die Reservierung abgelaufen ist
checkout-note-title = Anmerkung
checkout-note = Anmerkung zu Ihrer Bestellung
checkout-review = Prüfen und bestellen
checkout-estimate = Versand und Steuern sind geschätzt, bis Ihre Adresse vollständig ist.
checkout-estimate-digital = Die Steuern sind geschätzt, bis Ihre Adresse vollständig ist.
checkout-total-needs-address = Ergänzen oder korrigieren Sie die Adresse, mit Postleitzahl und, wo es eine gibt, Region, dann wählen Sie „Aktualisieren“: Wir zeigen die Summe für Ihre Adresse.
checkout-terms = Mit der Bestellung stimmen Sie zu:
checkout-order = Zahlungspflichtig bestellen
checkout-change-cart = Warenkorb ändern
checkout-open-order = Diese Bestellung öffnen
checkout-account-down = Ihr Konto antwortet gerade nicht. Bitte geben Sie die E-Mail-Adresse und die Anschrift für diese Bestellung ein.
checkout-no-price = Die Summe lässt sich gerade nicht berechnen, deshalb kann nichts bestellt werden. Ihr Warenkorb ist sicher; bitte aktualisieren Sie diese Seite in einer Minute.
checkout-unknown = Der Shop antwortet gerade nicht. Vielleicht ist Ihre Bestellung angekommen, vielleicht nicht: Wählen Sie gleich noch einmal „Zahlungspflichtig bestellen“. Doppelt bestellen können Sie nicht.
checkout-refused = So lässt sich die Bestellung nicht aufgeben. Bitte prüfen Sie Ihre Angaben und versuchen Sie es erneut.
checkout-quote-changed = Die Summe hat sich geändert. Bitte prüfen Sie die neue Summe unten und bestellen Sie dann erneut.
checkout-out-of-stock = Nicht mehr alles ist auf Lager. Es wurde nichts bestellt. Bitte ändern Sie Ihren Warenkorb:
checkout-discontinued = Ein Produkt wird nicht mehr verkauft
checkout-available = { $count ->
    [0] { $name }: ausverkauft
   *[other] { $name }: nur noch { $count } Stück
}
checkout-discount-unavailable = Ihr Rabatt kann nicht mehr eingelöst werden. Es wurde nichts bestellt. Bitte prüfen Sie die neue Summe unten.
checkout-under-way = { $minutes ->
    [one] Eine Bestellung dieses Warenkorbs wartet auf die Zahlung. Bezahlen oder stornieren Sie sie, oder warten Sie höchstens { $minutes } Minute.
   *[other] Eine Bestellung dieses Warenkorbs wartet auf die Zahlung. Bezahlen oder stornieren Sie sie, oder warten Sie höchstens { $minutes } Minuten.
}
checkout-too-many-pieces = Eine Bestellung hat höchstens { $count } Stück. Bitte bestellen Sie den Rest getrennt.
checkout-unverified-size = Ohne bestätigte E-Mail-Adresse hat eine Bestellung höchstens { $count } Stück. Bitte melden Sie sich an und bestätigen Sie Ihre Adresse, oder bestellen Sie weniger.
checkout-too-many-requests = Aus Ihrem Netzwerk kamen zu viele Anfragen. Es wurde nichts bestellt. Bitte bestellen Sie in einer Minute erneut.
checkout-unverified-limit = Kundinnen und Kunden Ihres Netzwerks ohne bestätigte E-Mail-Adresse können zusammen höchstens { $count } Stück in unbezahlten Bestellungen haben. Bitte melden Sie sich an und bestätigen Sie Ihre Adresse, oder bestellen Sie in einer Viertelstunde erneut.
checkout-currency-mixed = Ein Produkt hat eine andere Währung als der Shop. Bitte entfernen Sie es aus dem Warenkorb.
checkout-country-not-served = In dieses Land können wir noch nicht verkaufen. Bitte wählen Sie ein anderes.
checkout-total-too-large = Die Summe ist für eine Bestellung zu hoch. Bitte entfernen Sie etwas aus dem Warenkorb.
checkout-payment-declined = Die Zahlung wurde abgelehnt. Es wurde nichts bestellt und nichts abgebucht. Bitte wählen Sie eine andere Zahlungsart.
checkout-payment-refused = Dieser Betrag lässt sich so nicht bezahlen. Es wurde nichts bestellt. Bitte ändern Sie den Warenkorb oder die Zahlung.
checkout-sent-before = Sie haben etwas geändert, seit diese Bestellung gesendet wurde. Bitte prüfen Sie sie und bestellen Sie erneut.
checkout-interrupted = Die Bestellung wurde unterbrochen. Es wurde nichts bestellt und nichts abgebucht. Bitte bestellen Sie erneut.
checkout-too-many-orders = Zu viele Bestellungen in kurzer Zeit. Bitte warten Sie eine Minute und bestellen Sie dann erneut.
checkout-too-many-unpaid-orders = Mehrere Ihrer Bestellungen wurden nicht bezahlt. Bitte warten Sie eine Stunde und bestellen Sie dann erneut.
pay-title = Zahlung
pay-lead = Bestellung { $number }: { $total }
pay-no-script = Diese Zahlung braucht JavaScript. Bitte erlauben Sie es in Ihrem Browser und laden Sie die Seite neu. Ihre Artikel sind einige Minuten reserviert.
pay-problem = Die Zahlung hat nicht funktioniert. Bitte prüfen Sie Ihre Angaben, oder wählen Sie eine andere Zahlungsart.
pay-submit = { $total } bezahlen
pay-back = Zurück zu Ihrer Bestellung
