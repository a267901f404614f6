### The staff and their roles.

admin-nav-staff = Staff
staff-lead = Who works for the shop has a role, and acts in their own name: an order's history says who did what.
staff-role = Role
staff-since = Account since
staff-sign-in = Signs in with
staff-sign-in-password = Password
staff-sign-in-password-only = Password only
staff-sign-in-code = Password and code
staff-sign-in-passkeys = { $count ->
    [one] 1 passkey
   *[other] { $count } passkeys
}
staff-you = You
staff-remove = Remove
staff-give-title = Give a role
staff-give-hint = The person signs up first, and opens the link in the mail. A new role replaces the one that the account has.
staff-give = Give role
staff-given = The account has the role, and was signed out. The role counts from the next sign-in on.
staff-removed = The account is a customer's again, and signed out everywhere.
staff-unknown = No account has this e-mail address. The person must sign up first.
staff-not-verified = The e-mail address of this account is not verified, so it may be another person's. The person must open the link in the mail first.
staff-own-role = Another admin must change your role, so that the shop keeps an admin.
staff-full = There are 100 accounts with a role. Remove one first.
staff-role-missing = Choose a role.

role-customer = Customer
role-support = Support
role-support-may = sees orders, writes notes on them, sees mails and sends them again
role-orders = Orders
role-orders-may = also packs, sends, cancels and refunds orders
role-catalogue = Catalogue
role-catalogue-may = changes products, stock and discounts; sees no orders
role-admin = Admin
role-admin-may = may do everything, also change settings and give roles
