//! Who asked for what last: the replicated memory that makes a retry harmless.
//!
//! ```text
//! count      varint   how many requests were applied
//! sessions   varint   how many there are, and of each:
//!   id       varint     the count at which it was opened
//!   name     varint     of the client's life that opened it
//!   touched  varint     the count at which it was used last
//!   sequence varint     the number of its last request
//!   output   varint     the length of what came of that, 255 if it was too long to keep
//!   ...                 that
//! ```

use crate::snapshot::{LoadError, Loader, Saver};
use serde::Serialize;

/// One client, as every node remembers it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Session<const OUTPUT: usize> {
    /// The count of requests at which it was opened: no other session ever has it.
    pub(super) id: u64,
    /// Of the life of a client that opened it.
    pub(super) name: u64,
    touched: u64,
    /// The number of the last request.
    pub(super) sequence: u32,
    /// What came of it, encoded; `None` if it was too long to keep.
    pub(super) output: Option<heapless::Vec<u8, OUTPUT>>,
}

/// A fixed number of sessions, the same on every node.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Table<const CLIENTS: usize, const OUTPUT: usize> {
    count: u64,
    sessions: heapless::Vec<Session<OUTPUT>, CLIENTS>,
}

/// What the table says to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It is the next one: it is to be applied.
    Next,
    /// It was the last one, and was applied.
    Repeated,
    /// It comes from before the last one, or from after the next.
    OutOfTurn,
    /// There is no such session, any more or yet.
    Expired,
}

/// Stands for the length of an output that was too long.
const TOO_LONG: u8 = u8::MAX;

impl<const CLIENTS: usize, const OUTPUT: usize> Table<CLIENTS, OUTPUT> {
    /// One more request is applied.
    pub(super) fn count(&mut self) {
        self.count += 1;
    }

    /// Opens a session, or finds the one that this very life of the client opened before. Whoever
    /// was silent for longest makes way.
    pub(super) fn open(&mut self, name: u64) -> u64 {
        let (id, touched) = (self.count, self.count);
        if let Some(known) = self.sessions.iter_mut().find(|session| session.name == name) {
            known.touched = touched;
            return known.id;
        }
        let output = Some(heapless::Vec::new());
        let mut session = Session { id, name, touched, sequence: 0, output };
        if let Err(refused) = self.sessions.push(session) {
            session = refused;
            if let Some(oldest) = self.sessions.iter_mut().min_by_key(|session| session.touched) {
                *oldest = session;
            }
        }
        id
    }

    /// The number of the next session, if it opens now.
    pub(super) const fn next(&self) -> u64 {
        self.count + 1
    }

    /// What is to be done with a request.
    pub(super) fn standing(&self, id: u64, sequence: u32) -> Standing {
        match self.find(id) {
            None => Standing::Expired,
            Some(session) if sequence == session.sequence => Standing::Repeated,
            Some(session) if Some(sequence) == session.sequence.checked_add(1) => Standing::Next,
            Some(_) => Standing::OutOfTurn,
        }
    }

    /// The next request of a session was applied, and this came of it.
    pub(super) fn applied<O: Serialize>(&mut self, id: u64, sequence: u32, output: &O) {
        let touched = self.count;
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else {
            return;
        };
        (session.sequence, session.touched) = (sequence, touched);
        let mut kept = heapless::Vec::new();
        // As long as it may be: cut to what was written.
        kept.resize_default(OUTPUT).ok();
        let length = postcard::to_slice(output, &mut kept).map(|written| written.len());
        session.output = length.ok().map(|length| {
            kept.truncate(length);
            kept
        });
    }

    /// The session of this number.
    pub(super) fn find(&self, id: u64) -> Option<&Session<OUTPUT>> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// The session that this life of a client opened.
    pub(super) fn named(&self, name: u64) -> Option<&Session<OUTPUT>> {
        self.sessions.iter().find(|session| session.name == name)
    }

    pub(super) fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.count, self.sessions.len()));
        for Session { id, name, touched, sequence, output } in &self.sessions {
            let length = output.as_ref().and_then(|kept| u8::try_from(kept.len()).ok());
            saver.value(&(id, name, touched, sequence, length.unwrap_or(TOO_LONG)));
            saver.write(output.as_deref().unwrap_or_default());
        }
    }

    pub(super) fn restore(&mut self, loader: &mut Loader<'_>) -> Result<(), LoadError> {
        let (count, sessions): (u64, usize) = loader.value()?;
        (self.count, self.sessions) = (count, heapless::Vec::new());
        for _ in 0..sessions {
            let (id, name, touched, sequence, length): (u64, u64, u64, u32, u8) = loader.value()?;
            let mut output = None;
            if length != TOO_LONG {
                let mut kept = heapless::Vec::new();
                kept.resize_default(usize::from(length)).map_err(|_| LoadError::Content)?;
                loader.read(&mut kept)?;
                output = Some(kept);
            }
            let session = Session { id, name, touched, sequence, output };
            self.sessions.push(session).map_err(|_| LoadError::Content)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_silent_for_longest_makes_way() {
        let mut table = Table::<2, 4>::default();
        let open = |table: &mut Table<2, 4>, name| {
            table.count();
            table.open(name)
        };
        let (first, second) = (open(&mut table, 10), open(&mut table, 20));
        assert_eq!(open(&mut table, 10), first, "asked for twice");
        let third = open(&mut table, 30);
        assert_eq!(table.standing(second, 1), Standing::Expired);
        assert_eq!(table.standing(first, 1), Standing::Next);
        assert_eq!(table.standing(third, 2), Standing::OutOfTurn);
        table.count();
        table.applied(first, 1, &300_u16);
        assert_eq!(table.standing(first, 1), Standing::Repeated);
        assert_eq!(open(&mut table, 40), 6, "in the place of the third");
        assert_eq!(table.standing(third, 1), Standing::Expired);
        table.applied(first, 2, &[0_u8; 5]);
        assert_eq!(table.find(first).unwrap().output, None, "too long");
    }
}
