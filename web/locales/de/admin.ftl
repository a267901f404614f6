### The pages of the people who run the shop: menu and overview.

admin-nav-label = Bereiche des Shops
admin-nav-shop = Zum Shop
admin-nav-overview = Übersicht
admin-overview-title = Übersicht
