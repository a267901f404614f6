//! Mutations of valid input, for tests of parsers that read what attackers send: bytes are
//! replaced, inserted, deleted and repeated, and the end is cut off.
//!
//! A parser must neither panic nor hang, must not take more memory than its input deserves, and
//! must keep the property that its test names. Each test runs some hundred cases; the variable
//! `PROPTEST_CASES` sets another number, for a longer search.

use proptest::prelude::*;
use proptest::sample::Index;

/// Most changes of one input.
const MAX_EDITS: usize = 8;
/// Most copies of a repeated part.
const MAX_COPIES: usize = 40;

#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, u8),
    Delete(Index),
    Repeat(Index, Index, usize),
    Cut(Index),
}

/// Returns the settings of a test by mutations. A failing input becomes a test of its own, so the
/// seeds of proptest need no file.
#[must_use]
pub fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Returns mutations of these inputs, and the inputs themselves.
pub fn bytes(seeds: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    let edits = prop::collection::vec(edit(), 0..MAX_EDITS);
    (prop::sample::select(seeds), edits).prop_map(|(seed, edits)| edits.iter().fold(seed, apply))
}

/// The same for text. Bytes that are no UTF-8 become U+FFFD.
pub fn text(seeds: &[&str]) -> impl Strategy<Value = String> + use<> {
    let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.as_bytes()).collect();
    bytes(&seeds).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn edit() -> impl Strategy<Value = Edit> {
    // Bytes that end or begin something are more likely to confuse a parser.
    let special = prop::sample::select(b"\0\t\n\r \"',.:;=-+*/\\%{}[]0919eE\x7f\x80\xc0\xff".to_vec());
    let byte = prop_oneof![special, any::<u8>()];
    let at = any::<Index>;
    prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        at().prop_map(Edit::Delete),
        (at(), at(), 1..MAX_COPIES).prop_map(|(from, to, copies)| Edit::Repeat(from, to, copies)),
        at().prop_map(Edit::Cut),
    ]
}

fn apply(mut input: Vec<u8>, edit: &Edit) -> Vec<u8> {
    let place = |at: &Index, length: usize| at.index(length + 1);
    let length = input.len();
    match edit {
        Edit::Insert(at, byte) => input.insert(place(at, length), *byte),
        _ if input.is_empty() => {}
        Edit::Replace(at, byte) => input[at.index(length)] = *byte,
        Edit::Delete(at) => drop(input.remove(at.index(length))),
        Edit::Cut(at) => input.truncate(at.index(length)),
        Edit::Repeat(one, other, copies) => {
            let (one, other) = (place(one, length), place(other, length));
            let (from, to) = (one.min(other), one.max(other));
            let part = input[from..to].repeat(*copies);
            input.splice(to..to, part);
        }
    }
    input
}
