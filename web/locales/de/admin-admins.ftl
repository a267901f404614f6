### The admins.

admin-nav-admins = Admins
admins-lead = Admins sehen und ändern alles im Shop und die Bestellungen aller Kunden. Sie handeln im eigenen Namen: Der Verlauf einer Bestellung sagt, wer was getan hat.
admins-since = Konto seit
admins-you = Sie
admins-remove = Entfernen
admins-add-title = Admin hinzufügen
admins-add = Zum Admin machen
admins-added = Das Konto gehört ab der nächsten Anmeldung einem Admin, sonst innerhalb von zehn Minuten.
admins-removed = Das Konto gehört wieder einem Kunden und ist überall abgemeldet.
admins-unknown = Kein Konto hat diese E-Mail-Adresse. Die Person muss sich zuerst registrieren.
admins-not-verified = Die E-Mail-Adresse dieses Kontos ist nicht bestätigt; sie gehört vielleicht jemand anderem. Die Person muss zuerst den Link in der E-Mail öffnen.
admins-own-role = Ein anderer Admin muss Sie entfernen, damit dem Shop ein Admin bleibt.
admins-full = Es gibt 100 Admins. Entfernen Sie zuerst einen.
admins-invalid = Das ist keine E-Mail-Adresse.
