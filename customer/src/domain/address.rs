//! The addresses that a customer has saved.

use serde::{Deserialize, Serialize};
use souk_contract::customer::{AddressId, MAX_ADDRESSES};
use souk_types::{Address, Error, Id, Result};

/// An address of an account, with its id.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SavedAddress {
    id: AddressId,
    /// Whether an order goes to this address unless the customer chooses another one.
    default: bool,
    #[serde(flatten)]
    address: Address,
}

/// An address to save. `default: false` leaves the default address as it is.
#[derive(Clone)]
pub(crate) struct NewAddress {
    pub(crate) address: Address,
    pub(crate) default: bool,
}

/// The addresses of one account, oldest first. One of them is the default address.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AddressBook(Vec<SavedAddress>);

impl AddressBook {
    pub(crate) fn get(&self, id: AddressId) -> Option<&Address> {
        self.0.iter().find(|saved| saved.id == id).map(|saved| &saved.address)
    }

    /// Adds an address. The first one becomes the default address.
    pub(crate) fn add(&mut self, new: NewAddress) -> Result<SavedAddress> {
        if self.0.len() >= MAX_ADDRESSES {
            let detail = format!("An account has at most {MAX_ADDRESSES} addresses. Delete one first.");
            return Err(Error::conflict("conflict", detail));
        }
        let id = Id::new();
        self.0.push(SavedAddress { id, default: false, address: new.address });
        self.choose_default(new.default.then_some(id));
        self.saved(id)
    }

    /// Replaces an address. It stays the default address if it is.
    pub(crate) fn replace(&mut self, id: AddressId, new: NewAddress) -> Result<SavedAddress> {
        let saved = self.0.iter_mut().find(|saved| saved.id == id).ok_or_else(not_found)?;
        saved.address = new.address;
        self.choose_default(new.default.then_some(id));
        self.saved(id)
    }

    /// Removes an address. If it was the default address, the oldest of the others becomes it.
    pub(crate) fn remove(&mut self, id: AddressId) -> Result<()> {
        let index = self.0.iter().position(|saved| saved.id == id).ok_or_else(not_found)?;
        self.0.remove(index);
        self.choose_default(None);
        Ok(())
    }

    fn saved(&self, id: AddressId) -> Result<SavedAddress> {
        self.0.iter().find(|saved| saved.id == id).cloned().ok_or_else(not_found)
    }

    /// Makes the chosen address the only default address; otherwise the present one, or the oldest.
    fn choose_default(&mut self, chosen: Option<AddressId>) {
        let present = || self.0.iter().find(|saved| saved.default).or(self.0.first()).map(|saved| saved.id);
        let chosen = chosen.or_else(present);
        for saved in &mut self.0 {
            saved.default = Some(saved.id) == chosen;
        }
    }
}

fn not_found() -> Error {
    Error::not_found("address")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::ErrorKind;

    use super::*;

    fn body(line1: &str) -> Value {
        json!({
            "name": "Ana", "company": null, "line1": line1, "line2": null, "city": "Cairo", "region": null,
            "postal_code": "11511", "country": "EG", "phone": null
        })
    }

    fn new(line1: &str, default: bool) -> NewAddress {
        NewAddress { address: serde_json::from_value(body(line1)).unwrap(), default }
    }

    /// Returns the first line of each address; that of the default address with a star.
    fn lines(book: &AddressBook) -> Vec<String> {
        let line = |saved: &SavedAddress| format!("{}{}", saved.address.line1(), if saved.default { "*" } else { "" });
        book.0.iter().map(line).collect()
    }

    #[test]
    fn addresses_are_added_replaced_and_removed() {
        let mut book = AddressBook::default();
        let (home, work) = (book.add(new("Home", false)).unwrap(), book.add(new("Work", false)).unwrap());
        book.replace(home.id, new("New home", false)).unwrap();
        book.remove(work.id).unwrap();
        let mut expected = body("New home");
        expected["id"] = json!(home.id);
        expected["default"] = json!(true);
        assert_eq!(serde_json::to_value(&book).unwrap(), json!([expected]));
        assert_eq!(book.get(home.id).map(Address::line1), Some("New home"));
        assert!(book.get(work.id).is_none());
        assert_eq!(book.remove(work.id).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(book.replace(work.id, new("Work", true)).err().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!(lines(&book), ["New home*"], "an address that is not found changes nothing");
    }

    #[test]
    fn one_address_is_the_default() {
        let mut book = AddressBook::default();
        let home = book.add(new("Home", false)).unwrap();
        assert!(home.default, "the first address is the default");
        let work = book.add(new("Work", true)).unwrap();
        let office = book.add(new("Office", false)).unwrap();
        assert_eq!(lines(&book), ["Home", "Work*", "Office"]);
        book.replace(work.id, new("Work", false)).unwrap();
        assert_eq!(lines(&book), ["Home", "Work*", "Office"], "`default: false` keeps the default");
        book.replace(office.id, new("Office", true)).unwrap();
        assert_eq!(lines(&book), ["Home", "Work", "Office*"]);
        book.remove(work.id).unwrap();
        assert_eq!(lines(&book), ["Home", "Office*"]);
        book.remove(office.id).unwrap();
        assert_eq!(lines(&book), ["Home*"], "the oldest becomes the default");
        book.remove(home.id).unwrap();
        assert_eq!(lines(&book), [""; 0]);
    }

    #[test]
    fn a_full_address_book_refuses_another_address() {
        let mut book = AddressBook::default();
        for _ in 0..MAX_ADDRESSES {
            book.add(new("Home", false)).unwrap();
        }
        assert_eq!(book.add(new("Home", false)).err().unwrap().kind(), ErrorKind::Conflict);
    }
}
