//! Answers for people and for programs.

use super::{field, shown};
use crate::resp::Reply;

const COLUMNS: [(&str, &str); 9] = [
    ("ID", "id"),
    ("ROLE", "role"),
    ("TERM", "term"),
    ("LEADER", "leader"),
    ("COMMITTED", "committed"),
    ("APPLIED", "applied"),
    ("SNAPSHOT", "snapshot"),
    ("KEYS", "keys"),
    ("FAULT", "fault"),
];

/// All nodes, one in a line, and what the first of them knows of each.
pub(super) fn table(first: &Reply, nodes: &[Reply]) -> String {
    let mut rows = vec![COLUMNS.map(|(title, _)| title.to_owned()).to_vec()];
    for node in nodes {
        let cell = |(_, name): (_, _)| field(node, name).map_or("-".to_owned(), shown);
        rows.push(COLUMNS.map(cell).to_vec());
    }
    let members = super::members(first);
    let known = |member| ["part", "address", "client"].map(|name| field(member, name).map(shown));
    for (title, at) in [("PART", 1), ("ADDRESS", 2), ("CLIENTS", 3)] {
        if let Some(head) = rows.first_mut() {
            head.insert(at, title.to_owned());
        }
    }
    for (row, member) in rows.iter_mut().skip(1).zip(members) {
        for (at, cell) in (1..).zip(known(member)) {
            row.insert(at, cell.unwrap_or_else(|| "-".to_owned()));
        }
    }
    aligned(&rows)
}

/// An answer for people: a line for each thing that has a name, or for each of several that have
/// the same ones, below these.
pub(super) fn human(reply: &Reply) -> String {
    let cell = |reply: &Reply| match reply {
        Reply::List(parts) if !parts.is_empty() => {
            parts.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        Reply::List(_) => "-".to_owned(),
        other => shown(other),
    };
    match reply {
        Reply::Map(pairs) => {
            let rows = pairs.iter().map(|(name, value)| vec![shown(name), cell(value)]);
            aligned(&rows.collect::<Vec<_>>())
        }
        Reply::List(replies) => {
            let cells = |reply: &Reply, of: fn(&(Reply, Reply)) -> &Reply| match reply {
                Reply::Map(pairs) => pairs.iter().map(|pair| cell(of(pair))).collect(),
                other => vec![cell(other)],
            };
            let names = replies.first().map(|first| cells(first, |(name, _)| name));
            let titles =
                names.map(|names: Vec<_>| names.iter().map(|it| it.to_uppercase()).collect());
            let rows = replies.iter().map(|reply| cells(reply, |(_, value)| value));
            aligned(&titles.into_iter().chain(rows).collect::<Vec<_>>())
        }
        other => shown(other),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// An answer as JSON.
pub(super) fn json(reply: &Reply) -> String {
    let all = |parts: &mut dyn Iterator<Item = String>| parts.collect::<Vec<_>>().join(",");
    match reply {
        Reply::Word(word) => quoted(word),
        Reply::Error(error) => quoted(error),
        Reply::Bytes(bytes) => quoted(&String::from_utf8_lossy(bytes)),
        Reply::Number(number) => number.to_string(),
        Reply::Nothing => "null".to_owned(),
        Reply::List(replies) => format!("[{}]", all(&mut replies.iter().map(json))),
        Reply::Map(pairs) => {
            let pair = |(name, value): &(Reply, Reply)| {
                format!("{}:{}", quoted(&shown(name)), json(value))
            };
            format!("{{{}}}", all(&mut pairs.iter().map(pair)))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_quotes_what_must_be() {
        let list = Reply::List(vec![Reply::Nothing, Reply::Number(-1), Reply::text("a\"\\\n")]);
        let map = Reply::map([("list", list), ("ok", Reply::OK)]);
        assert_eq!(json(&map), r#"{"list":[null,-1,"a\"\\\u000a"],"ok":"OK"}"#);
    }

    #[test]
    fn a_table_has_a_line_for_each_node_in_columns() {
        let member = |id, client| {
            let (part, client) = (Reply::text("voter"), Reply::text(client));
            Reply::map([("id", Reply::Number(id)), ("part", part), ("client", client)])
        };
        let members = Reply::List(vec![member(1, "127.0.0.1:6381"), member(2, "b:1")]);
        let first = Reply::map([("id", Reply::Number(1)), ("members", members)]);
        let second = Reply::map([("id", Reply::Number(2)), ("fault", Reply::text("gone"))]);
        let table = table(&first, &[first.clone(), second]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("ID  PART   ADDRESS  CLIENTS         ROLE"), "{table}");
        assert!(lines[1].starts_with("1   voter  -        127.0.0.1:6381  -"), "{table}");
        assert!(lines[2].starts_with("2   voter  -        b:1             -"), "{table}");
        assert!(lines[2].ends_with("gone"), "{table}");
    }
}
