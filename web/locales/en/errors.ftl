### Error pages.

error-home = Go to the home page
error-cart = Open your cart
error-request-id = If you contact us, please mention { $id }.
error-not-found-title = This page does not exist
error-not-found-text = The address may be mistyped, or the product is no longer sold. Search for it above, or start on the home page.
error-admin-overview = Go to the overview of the admin pages
error-admin-not-found-text = The address may be mistyped, or what it showed was deleted. Start on the overview.
error-admin-forbidden-text = Your account does not have a role that may do this. An admin of the shop can give it one.
error-admin-forbidden-roles = This page needs one of these roles: { $roles }. An admin of the shop can give your account another role.
error-unavailable-title = This part of the shop is down
error-unavailable-text = We are working on it. Your cart is safe. Please try again in a minute.
error-internal-title = Something went wrong
error-internal-text = The fault is ours. Your cart is safe. Please try again.
error-refused-title = That did not work
error-refused-text = The request cannot be accepted. Please go back, reload the page and try again.
error-too-many-title = Too many attempts
error-too-many-text = Please wait a minute, then try again.
error-forbidden-title = You may not open this page
error-forbidden-text = Your account does not have the right to do this.
error-form-title = This form has expired
error-form-text = For your safety, we accept forms only from a recently opened page. Please go back, reload the page and try again.
