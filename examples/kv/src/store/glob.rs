//! Patterns of keys: `*`, `?`, `[a-z]`, `[^x]` and `\`, as Redis has them.

/// Whether a text is what a pattern describes. The work is bounded by the product of both lengths:
/// only the last `*` is ever taken back.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut rest) = (pattern, text);
    // Behind the last star, and what it has not swallowed yet.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', behind @ ..] = at {
            star = Some((behind, rest));
            at = behind;
            continue;
        }
        match rest.split_first() {
            None if at.is_empty() => return true,
            None => return false,
            Some((first, others)) => {
                if let Some(behind) = one(at, *first) {
                    (at, rest) = (behind, others);
                    continue;
                }
            }
        }
        let Some((behind, [_, others @ ..])) = star else { return false };
        (at, rest) = (behind, others);
        star = Some((behind, others));
    }
}

/// What follows in the pattern, if its beginning describes this byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = pattern.split_first()?;
    match (first, rest) {
        (b'?', _) => Some(rest),
        (b'[', _) => class(rest, byte),
        (b'\\', [escaped, rest @ ..]) => (*escaped == byte).then_some(rest),
        _ => (*first == byte).then_some(rest),
    }
}

/// The same from behind a `[` on. A class that never ends, ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', behind @ ..] => {
                rest = behind;
                break;
            }
            [b'\\', escaped, behind @ ..] => {
                found |= *escaped == byte;
                behind
            }
            [from, b'-', to, behind @ ..] if *to != b']' => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                behind
            }
            [one, behind @ ..] => {
                found |= *one == byte;
                behind
            }
        };
    }
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_describe_what_they_are_known_to() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            for (texts, expected) in [(yes, true), (no, false)] {
                for text in texts {
                    let matched = matches(pattern.as_bytes(), text.as_bytes());
                    assert_eq!(matched, expected, "{pattern} and {text}");
                }
            }
        };
        check("*", &["", "anything"], &[]);
        check("user:*", &["user:", "user:7"], &["user", "xuser:7"]);
        check("*a*b", &["ab", "xaxxb", "abab"], &["aba", "b", "a"]);
        check("h?llo", &["hello", "hallo"], &["hllo", "heello"]);
        check("h[ae]llo", &["hello", "hallo"], &["hillo", "h[ae]llo"]);
        check("h[^e]llo", &["hallo", "hillo"], &["hello"]);
        check("[c-a]1", &["a1", "b1", "c1"], &["d1"]);
        check("[a\\]]", &["a", "]"], &["\\"]);
        check("\\*x", &["*x"], &["xx", "\\*x"]);
        check("[ab", &["a", "b"], &["c", "["]);
        check("", &[""], &["x"]);
    }

    #[test]
    fn stars_in_a_row_take_no_longer() {
        let pattern = [b"*a".repeat(500), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(5000)));
    }
}
