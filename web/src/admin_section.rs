//! The parts of the admin pages: their paths, names and permissions.

use souk_contract::role::Permission;

use crate::locale::Key;

/// A part of the admin pages, as their menu has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Products,
    Discounts,
    Settings,
    Taxes,
    Shipping,
    Orders,
    Staff,
    Mails,
    DeadLetters,
    System,
}

impl Section {
    /// All parts in the order of the menu.
    pub(crate) const ALL: [Self; 11] = [
        Self::Overview,
        Self::Orders,
        Self::Products,
        Self::Discounts,
        Self::Settings,
        Self::Taxes,
        Self::Shipping,
        Self::Staff,
        Self::Mails,
        Self::DeadLetters,
        Self::System,
    ];

    /// Returns the path of its first page.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/admin",
            Self::Products => "/admin/products",
            Self::Discounts => "/admin/discounts",
            Self::Settings => "/admin/settings",
            Self::Taxes => "/admin/taxes",
            Self::Shipping => "/admin/shipping",
            Self::Orders => "/admin/orders",
            Self::Staff => "/admin/staff",
            Self::Mails => "/admin/mails",
            Self::DeadLetters => "/admin/dead-letters",
            Self::System => "/admin/system",
        }
    }

    /// Returns the part to which a path belongs: the overview when it is below `/admin` and belongs
    /// to no other; `None` when it is not below `/admin`.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let is_below = |section: &Self| {
            path.strip_prefix(section.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut others = Self::ALL.into_iter().filter(|section| *section != Self::Overview);
        others.find(is_below).or_else(|| Some(Self::Overview).filter(is_below))
    }

    /// Returns the permission that its pages need; `None`: any.
    pub(crate) const fn permission(self) -> Option<Permission> {
        match self {
            Self::Overview => None,
            Self::Orders => Some(Permission::ViewOrders),
            Self::Products => Some(Permission::ManageCatalogue),
            Self::Discounts => Some(Permission::ManageDiscounts),
            Self::Settings | Self::Taxes | Self::Shipping => Some(Permission::ManageShop),
            Self::Staff => Some(Permission::ManageStaff),
            Self::Mails => Some(Permission::AssistCustomers),
            Self::DeadLetters | Self::System => Some(Permission::OperateSystem),
        }
    }

    /// Returns its name in the menu.
    pub(crate) const fn name(self) -> Key {
        match self {
            Self::Overview => Key("admin-nav-overview"),
            Self::Products => Key("admin-nav-products"),
            Self::Discounts => Key("admin-nav-discounts"),
            Self::Settings => Key("admin-nav-settings"),
            Self::Taxes => Key("admin-nav-taxes"),
            Self::Shipping => Key("admin-nav-shipping"),
            Self::Orders => Key("admin-nav-orders"),
            Self::Staff => Key("admin-nav-staff"),
            Self::Mails => Key("admin-nav-mails"),
            Self::DeadLetters => Key("admin-nav-dead-letters"),
            Self::System => Key("admin-nav-system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_a_part_of_the_admin_pages() {
        for (path, expected) in [
            ("/admin", Some(Section::Overview)),
            ("/admin/", Some(Section::Overview)),
            ("/admin/import", Some(Section::Overview)),
            ("/admin/orders", Some(Section::Orders)),
            ("/admin/products/import", Some(Section::Products)),
            ("/administration", None),
            ("/cart", None),
        ] {
            assert_eq!(Section::of_path(path), expected, "{path}");
        }
    }
}
