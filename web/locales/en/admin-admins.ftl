### The admins.

admin-nav-admins = Admins
admins-lead = Admins see and change everything in the shop, and every customer's orders. They act in their own names: an order's history says who did what.
admins-since = Account since
admins-you = You
admins-remove = Remove
admins-add-title = Add an admin
admins-add = Make admin
admins-added = The account is an admin's from its next sign-in on, or within ten minutes.
admins-removed = The account is a customer's again, and signed out everywhere.
admins-unknown = No account has this e-mail address. The person must sign up first.
admins-not-verified = The e-mail address of this account is not verified, so it may be another person's. The person must open the link in the mail first.
admins-own-role = Another admin must remove you, so that the shop keeps an admin.
admins-full = There are 100 admins. Remove one first.
admins-invalid = This is no e-mail address.
