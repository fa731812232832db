//! As much of JSON as a page needs, safe inside a script element.

use std::fmt::Write;

/// A list of things that are JSON already.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A list of numbers.
pub(super) fn numbers<const N: usize>(numbers: [i64; N]) -> String {
    numbers.map(|number| number.to_string()).join(",")
}

/// A string. No `<` is left in it, so that it can't end the element that it stands in.
pub(super) fn string(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '<' | '>' | '&' | '\0'..' ' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                write!(json, "\\u{:04x}", u32::from(character)).ok();
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}
