//! What a person may type, and what is meant by it.

use raft_std::NodeId;

/// Ids that a person can give a node: one digit, and never more than a cluster has room for.
const IDS: std::ops::RangeInclusive<u8> = 1..=9;

/// A line that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    Set {
        key: String,
        value: String,
    },
    Get {
        key: String,
    },
    Kill(NodeId),
    Start(NodeId),
    Cut(NodeId, NodeId),
    Heal,
    /// Hundredths of all datagrams.
    Loss(u32),
    Transfer(NodeId),
    Add(NodeId),
    Remove(NodeId),
    /// How many values.
    Load(u32),
    Help,
    Quit,
}

/// How each command is written, and what it does.
pub const COMMANDS: [(&str, &str); 13] = [
    ("set KEY VALUE", "writes a value"),
    ("get KEY", "reads it, from a quorum"),
    ("kill NODE", "ends a node without a word to the others"),
    ("start NODE", "starts it again on its files"),
    ("cut NODE NODE", "closes the road between two nodes"),
    ("heal", "opens all roads again, and loses nothing"),
    ("loss PERCENT", "loses so many of a hundred datagrams"),
    ("transfer NODE", "hands leadership over"),
    ("add NODE", "takes in a new node, 1 to 9"),
    ("remove NODE", "removes a member, and its files"),
    ("load COUNT", "writes so many values as fast as it goes"),
    ("help", "shows these lines"),
    ("quit", "ends everything"),
];

/// Understands a line, or says what is wrong with it.
pub fn parse(line: &str) -> Result<Order, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match *words.as_slice() {
        ["set", key, ref value @ ..] if !value.is_empty() => {
            Ok(Order::Set { key: key.to_owned(), value: value.join(" ") })
        }
        ["get", key] => Ok(Order::Get { key: key.to_owned() }),
        ["kill", id] => node(id).map(Order::Kill),
        ["start", id] => node(id).map(Order::Start),
        ["cut", one, other] => match (node(one)?, node(other)?) {
            (one, other) if one == other => Err("a road leads to another node".to_owned()),
            (one, other) => Ok(Order::Cut(one, other)),
        },
        ["heal"] => Ok(Order::Heal),
        ["loss", share] => percent(share).map(Order::Loss),
        ["transfer", id] => node(id).map(Order::Transfer),
        ["add", id] => node(id).map(Order::Add),
        ["remove", id] => node(id).map(Order::Remove),
        ["load", count] => match count.parse() {
            Ok(count @ 1..=1_000_000) => Ok(Order::Load(count)),
            _ => Err(format!("{count} is not a count from 1 to 1000000")),
        },
        ["help"] => Ok(Order::Help),
        ["quit" | "exit"] => Ok(Order::Quit),
        [name, ..] => Err(usage(name)),
        [] => Err("type a command, or help".to_owned()),
    }
}

fn node(word: &str) -> Result<NodeId, String> {
    match word.parse() {
        Ok(id) if IDS.contains(&id) => Ok(NodeId(id)),
        _ => Err(format!("{word} is not a node from {} to {}", IDS.start(), IDS.end())),
    }
}

fn percent(word: &str) -> Result<u32, String> {
    match word.strip_suffix('%').unwrap_or(word).parse() {
        Ok(share @ 0..=100) => Ok(share),
        _ => Err(format!("{word} is not a share from 0% to 100%")),
    }
}

/// What to say to a line that begins like this and goes on like no command.
fn usage(name: &str) -> String {
    let known = COMMANDS.iter().find(|(usage, _)| usage.split(' ').next() == Some(name));
    match known {
        Some((usage, _)) => format!("it is written: {usage}"),
        None => format!("there is no command {name}; help shows those there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood() {
        let text = str::to_owned;
        let said = [
            ("set lamp on", Order::Set { key: text("lamp"), value: text("on") }),
            (
                "  set  door  wide   open ",
                Order::Set { key: text("door"), value: text("wide open") },
            ),
            ("get lamp", Order::Get { key: text("lamp") }),
            ("kill 2", Order::Kill(NodeId(2))),
            ("start 2", Order::Start(NodeId(2))),
            ("cut 1 3", Order::Cut(NodeId(1), NodeId(3))),
            ("heal", Order::Heal),
            ("loss 10%", Order::Loss(10)),
            ("loss 0", Order::Loss(0)),
            ("transfer 3", Order::Transfer(NodeId(3))),
            ("add 4", Order::Add(NodeId(4))),
            ("remove 1", Order::Remove(NodeId(1))),
            ("load 1000", Order::Load(1000)),
            ("help", Order::Help),
            ("quit", Order::Quit),
        ];
        for (line, order) in said {
            assert_eq!(parse(line), Ok(order), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = [
            ("", "type a command, or help"),
            ("set lamp", "it is written: set KEY VALUE"),
            ("heal 1", "it is written: heal"),
            ("kill", "it is written: kill NODE"),
            ("kill 0", "0 is not a node from 1 to 9"),
            ("start ten", "ten is not a node from 1 to 9"),
            ("add 300", "300 is not a node from 1 to 9"),
            ("cut 2 2", "a road leads to another node"),
            ("loss 101%", "101% is not a share from 0% to 100%"),
            ("loss -1", "-1 is not a share from 0% to 100%"),
            ("load 0", "0 is not a count from 1 to 1000000"),
            ("Kill 2", "there is no command Kill; help shows those there are"),
        ];
        for (line, words) in said {
            assert_eq!(parse(line), Err(words.to_owned()), "{line}");
        }
    }

    #[test]
    fn help_names_only_what_is_understood() {
        for (usage, _) in COMMANDS {
            let line = usage.replace("NODE NODE", "1 2").replace("NODE", "1");
            let line = line.replace("PERCENT", "5").replace("COUNT", "5");
            assert!(parse(&line).is_ok(), "{usage}");
        }
    }
}
