//! The machine behind the dashboard: names and what they stand for.
//!
//! They are kept in order, so that machines that hold the same save the same bytes.

use raft_std::{LoadError, Loader, Machine, Saver};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What clients may ask for.
#[derive(Serialize, Deserialize)]
pub enum Command<'a> {
    Set { key: &'a str, value: &'a str },
}

/// All there is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Store {
    values: BTreeMap<String, String>,
}

impl Store {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

impl Machine for Store {
    type Command<'a> = Command<'a>;
    /// Whether there was another value before.
    type Output = bool;

    fn apply(&mut self, command: Command<'_>) -> bool {
        let Command::Set { key, value } = command;
        self.values.insert(key.to_owned(), value.to_owned()).is_some()
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.values.len());
        for text in self.values.iter().flat_map(|(key, value)| [key, value]) {
            saver.value(&text.len());
            saver.write(text.as_bytes());
        }
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.values.clear();
        for _ in 0..loader.value::<usize>()? {
            let key = text(loader)?;
            self.values.insert(key, text(loader)?);
        }
        Ok(())
    }
}

fn text(loader: &mut Loader<'_>) -> Result<String, LoadError> {
    let mut bytes = vec![0; loader.value()?];
    loader.read(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| LoadError::Content)
}
