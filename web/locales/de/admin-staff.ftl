### The staff and their roles.

admin-nav-staff = Team
staff-lead = Wer für den Shop arbeitet, hat eine Rolle und handelt im eigenen Namen: Der Verlauf einer Bestellung sagt, wer was getan hat.
staff-role = Rolle
staff-since = Konto seit
staff-sign-in = Anmeldung mit
staff-sign-in-password = Passwort
staff-sign-in-password-only = Nur Passwort
staff-sign-in-code = Passwort und Code
staff-sign-in-passkeys = { $count ->
    [one] 1 Passkey
   *[other] { $count } Passkeys
}
staff-you = Sie
staff-remove = Entfernen
staff-give-title = Rolle vergeben
staff-give-hint = Die Person registriert sich zuerst und öffnet den Link in der E-Mail. Eine neue Rolle ersetzt die bisherige.
staff-give = Rolle vergeben
staff-given = Das Konto hat die Rolle und wurde abgemeldet. Sie gilt ab der nächsten Anmeldung.
staff-removed = Das Konto gehört wieder einem Kunden und ist überall abgemeldet.
staff-unknown = Kein Konto hat diese E-Mail-Adresse. Die Person muss sich zuerst registrieren.
staff-not-verified = Die E-Mail-Adresse dieses Kontos ist nicht bestätigt; sie gehört vielleicht jemand anderem. Die Person muss zuerst den Link in der E-Mail öffnen.
staff-own-role = Ein anderer Admin muss Ihre Rolle ändern, damit dem Shop ein Admin bleibt.
staff-full = Es gibt 100 Konten mit einer Rolle. Entfernen Sie zuerst eines.
staff-role-missing = Wählen Sie eine Rolle.

role-customer = Kundenkonto
role-support = Kundendienst
role-support-may = sieht Bestellungen, schreibt Notizen dazu, sieht E-Mails und sendet sie erneut
role-orders = Bestellungen
role-orders-may = packt, versendet, storniert und erstattet außerdem Bestellungen
role-catalogue = Sortiment
role-catalogue-may = ändert Produkte, Bestand und Rabatte; sieht keine Bestellungen
role-admin = Admin
role-admin-may = darf alles, auch Einstellungen ändern und Rollen vergeben
