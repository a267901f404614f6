### Die rechtlichen Seiten.

legal-terms = AGB
legal-privacy = Datenschutz
legal-returns = Widerruf und Rückgabe
legal-imprint = Impressum
legal-sample = Dieser Text ist ein Muster ohne rechtliche Wirkung. Der Betreiber des Shops ersetzt ihn.
legal-vat-number = USt-IdNr.: { $number }
