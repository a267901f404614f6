### Fehlerseiten.

error-home = Zur Startseite
error-cart = Warenkorb öffnen
error-request-id = Wenn Sie uns schreiben, nennen Sie bitte { $id }.
error-not-found-title = Diese Seite gibt es nicht
error-not-found-text = Vielleicht ist die Adresse falsch geschrieben, oder das Produkt wird nicht mehr verkauft. Suchen Sie oben danach, oder beginnen Sie auf der Startseite.
error-admin-overview = Zur Übersicht der Verwaltung
error-admin-not-found-text = Vielleicht ist die Adresse falsch geschrieben, oder was sie zeigte, wurde gelöscht. Beginnen Sie auf der Übersicht.
error-admin-forbidden-text = Ihr Konto hat keine Rolle, die das darf. Ein Admin des Shops kann ihm eine geben.
error-admin-forbidden-roles = Diese Seite braucht eine dieser Rollen: { $roles }. Ein Admin des Shops kann Ihrem Konto eine andere Rolle geben.
error-unavailable-title = Dieser Teil des Shops ist gerade nicht erreichbar
error-unavailable-text = Wir arbeiten daran. Ihr Warenkorb bleibt erhalten. Bitte versuchen Sie es in einer Minute erneut.
error-internal-title = Etwas ist schiefgegangen
error-internal-text = Der Fehler liegt bei uns. Ihr Warenkorb bleibt erhalten. Bitte versuchen Sie es erneut.
error-refused-title = Das hat nicht funktioniert
error-refused-text = Die Anfrage lässt sich nicht ausführen. Bitte gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es erneut.
error-too-many-title = Zu viele Versuche
error-too-many-text = Bitte warten Sie eine Minute und versuchen Sie es dann erneut.
error-forbidden-title = Diese Seite dürfen Sie nicht öffnen
error-forbidden-text = Ihr Konto hat dieses Recht nicht.
error-form-title = Dieses Formular ist abgelaufen
error-form-text = Zu Ihrer Sicherheit nehmen wir Formulare nur von einer kürzlich geöffneten Seite an. Bitte gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es erneut.
