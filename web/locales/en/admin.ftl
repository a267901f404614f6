### The pages of the people who run the shop: menu and overview.

admin-nav-label = Parts of the shop
admin-nav-shop = Go to the shop
admin-nav-overview = Overview
admin-overview-title = Overview
