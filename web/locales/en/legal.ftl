### The legal pages.

legal-terms = Terms and conditions
legal-privacy = Privacy
legal-returns = Returns
legal-imprint = Imprint
legal-sample = This text is a sample and has no legal effect. The operator of the shop replaces it.
legal-vat-number = VAT number: { $number }
