//! The roles of accounts, and what each of them may do.

use serde::{Deserialize, Serialize};

/// The role of an account. Every role may also do what a customer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders products.
    Customer,
    /// Answers customers.
    Support,
    /// Packs, sends and refunds orders.
    Orders,
    /// Keeps the catalogue, the stock and the discounts.
    Catalogue,
    /// Manages the shop and its staff.
    Admin,
}

/// Something that staff may do. Each route for staff declares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See orders, what is known of their customers, and the sales.
    ViewOrders,
    /// Write notes on orders; see mails and send them again.
    AssistCustomers,
    /// Record parcels and their arrival.
    FulfilOrders,
    /// Capture payments, cancel orders, refund money.
    MoveMoney,
    /// Change products and their stock.
    ManageCatalogue,
    /// Change discounts.
    ManageDiscounts,
    /// Change the settings, the taxes and the shipping of the shop.
    ManageShop,
    /// Give and take roles.
    ManageStaff,
    /// See instances, stored documents and dead letters, and act on them.
    OperateSystem,
}

use Permission::{
    AssistCustomers, FulfilOrders, ManageCatalogue, ManageDiscounts, ManageShop, ManageStaff, MoveMoney, OperateSystem,
    ViewOrders,
};

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Support, Self::Orders, Self::Catalogue, Self::Admin];

    /// The roles of people who work for the shop.
    pub const STAFF: [Self; 4] = [Self::Support, Self::Orders, Self::Catalogue, Self::Admin];

    /// Returns the name as it is stored and as the API has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Support => "support",
            Self::Orders => "orders",
            Self::Catalogue => "catalogue",
            Self::Admin => "admin",
        }
    }

    /// Whether it is a role of staff.
    #[must_use]
    pub const fn is_staff(self) -> bool {
        !matches!(self, Self::Customer)
    }

    /// Returns what the role may do beyond what a customer may. This is the only table of
    /// permissions.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Customer => &[],
            Self::Support => &[ViewOrders, AssistCustomers],
            Self::Orders => &[ViewOrders, AssistCustomers, FulfilOrders, MoveMoney],
            Self::Catalogue => &[ManageCatalogue, ManageDiscounts],
            Self::Admin => &Permission::ALL,
        }
    }

    /// Whether the role has a permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 9] = [
        ViewOrders,
        AssistCustomers,
        FulfilOrders,
        MoveMoney,
        ManageCatalogue,
        ManageDiscounts,
        ManageShop,
        ManageStaff,
        OperateSystem,
    ];

    /// Returns the name as the documentation has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ViewOrders => "view-orders",
            AssistCustomers => "assist-customers",
            FulfilOrders => "fulfil-orders",
            MoveMoney => "move-money",
            ManageCatalogue => "manage-catalogue",
            ManageDiscounts => "manage-discounts",
            ManageShop => "manage-shop",
            ManageStaff => "manage-staff",
            OperateSystem => "operate-system",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_those_of_the_json() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
            assert_eq!(role.is_staff(), Role::STAFF.contains(&role));
            assert_eq!(role.is_staff(), !role.permissions().is_empty());
        }
        let names: HashSet<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
    }

    #[test]
    fn only_admins_manage_the_shop_its_staff_and_the_system() {
        for permission in [ManageShop, ManageStaff, OperateSystem] {
            for role in Role::ALL {
                assert_eq!(role.may(permission), role == Role::Admin, "{role:?}, {permission:?}");
            }
        }
        assert!(Role::Orders.may(MoveMoney) && !Role::Support.may(MoveMoney) && !Role::Catalogue.may(ViewOrders));
    }
}
