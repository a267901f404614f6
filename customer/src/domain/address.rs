//! The addresses that a customer has saved.

use serde::{Deserialize, Serialize};
use souk_types::{Address, Error, Id, Result};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SavedAddress {
    id: AddressId,
    #[serde(flatten)]
    address: Address,
}

pub(crate) type AddressId = Id<SavedAddress>;

/// The addresses of one account, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AddressBook(Vec<SavedAddress>);

/// Most addresses of an account. Bounds the size of the account's document.
const MAX_ADDRESSES: usize = 20;

impl AddressBook {
    pub(crate) fn add(&mut self, address: Address) -> Result<SavedAddress> {
        if self.0.len() >= MAX_ADDRESSES {
            let detail = format!("An account has at most {MAX_ADDRESSES} addresses. Delete one first.");
            return Err(Error::conflict("conflict", detail));
        }
        let address = SavedAddress { id: Id::new(), address };
        self.0.push(address.clone());
        Ok(address)
    }

    pub(crate) fn replace(&mut self, id: AddressId, address: Address) -> Result<SavedAddress> {
        let stored = self.0.iter_mut().find(|stored| stored.id == id).ok_or_else(not_found)?;
        stored.address = address;
        Ok(stored.clone())
    }

    pub(crate) fn remove(&mut self, id: AddressId) -> Result<()> {
        let index = self.0.iter().position(|stored| stored.id == id).ok_or_else(not_found)?;
        self.0.remove(index);
        Ok(())
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

    fn address(line1: &str) -> Address {
        serde_json::from_value(body(line1)).unwrap()
    }

    #[test]
    fn addresses_are_added_replaced_and_removed() {
        let mut book = AddressBook::default();
        let (home, work) = (book.add(address("Home")).unwrap(), book.add(address("Work")).unwrap());
        book.replace(home.id, address("New home")).unwrap();
        book.remove(work.id).unwrap();
        let mut expected = body("New home");
        expected["id"] = json!(home.id);
        assert_eq!(serde_json::to_value(&book).unwrap(), json!([expected]));
        assert_eq!(book.remove(work.id).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(book.replace(work.id, address("Work")).err().unwrap().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_full_address_book_refuses_another_address() {
        let mut book = AddressBook::default();
        for _ in 0..MAX_ADDRESSES {
            book.add(address("Home")).unwrap();
        }
        assert_eq!(book.add(address("Home")).err().unwrap().kind(), ErrorKind::Conflict);
    }
}
