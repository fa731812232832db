//! One answer on its way from the consensus thread to whoever waits for it.
//!
//! Nobody hangs: an answer that is dropped without having been given says so to its receiver,
//! whether a queue was cleared or a thread came to its end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The half that answers.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

/// The half that waits.
pub(crate) struct Waiting<T>(Arc<Slot<T>>);

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The answer.
    Given(T),
    /// There will never be one.
    Dropped,
    /// Nothing in time, and what was asked for had not begun: it never will.
    Withdrawn,
    /// Nothing in time, though what was asked for has begun.
    Late,
}

struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    content: Content<T>,
    /// Whether what was asked for can't be withdrawn any more.
    begun: bool,
    /// Whether somebody sleeps until there is an answer.
    sleeps: bool,
    /// What is called when there is one.
    call: Option<Call>,
    /// Whether nobody waits any more.
    gone: bool,
}

type Call = Box<dyn FnOnce() + Send>;

enum Content<T> {
    Nothing,
    Given(T),
    Dropped,
}

/// Two halves of one answer.
pub(crate) fn slot<T>() -> (Answer<T>, Waiting<T>) {
    let content = Content::Nothing;
    let state = Mutex::new(State { content, begun: false, sleeps: false, call: None, gone: false });
    let slot = Arc::new(Slot { state, changed: Condvar::new() });
    (Answer(Arc::clone(&slot)), Waiting(slot))
}

impl<T> Answer<T> {
    /// Gives the answer.
    pub(crate) fn give(self, answer: T) {
        self.0.end(Content::Given(answer));
    }

    /// What was asked for begins, unless it was withdrawn: then this says `false`.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.0.lock();
        state.begun = !state.gone;
        state.begun
    }

    /// What was asked for did not begin after all. Says whether anybody still waits for it.
    pub(crate) fn recall(&self) -> bool {
        let mut state = self.0.lock();
        state.begun = false;
        !state.gone
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.0.lock().gone
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.0.end(Content::Dropped);
    }
}

impl<T> Waiting<T> {
    /// The answer, if there is one; it is given once.
    pub(crate) fn poll(&self) -> Option<Outcome<T>> {
        self.0.lock().take()
    }

    /// Has this called by whoever answers, or at once if there is an answer already; behind what
    /// was left to be called before.
    pub(crate) fn call(&self, call: Call) {
        let mut state = self.0.lock();
        if matches!(state.content, Content::Nothing) {
            state.call = Some(match state.call.take() {
                None => call,
                Some(before) => Box::new(move || {
                    before();
                    call();
                }),
            });
        } else {
            drop(state);
            call();
        }
    }

    /// Waits for the answer until a moment, and withdraws what was asked for then.
    pub(crate) fn wait(self, until: Instant) -> Outcome<T> {
        let mut state = self.0.lock();
        loop {
            if let Some(outcome) = state.take() {
                return outcome;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.gone = true;
                return if state.begun { Outcome::Late } else { Outcome::Withdrawn };
            }
            state.sleeps = true;
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeps = false;
        }
    }
}

impl<T> Slot<T> {
    /// A panic in here can't leave a state that is half changed.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, content: Content<T>) {
        let mut state = self.lock();
        if matches!(state.content, Content::Nothing) {
            state.content = content;
            let (call, sleeps) = (state.call.take(), state.sleeps);
            drop(state);
            // Waking nobody costs a call of the system all the same.
            if sleeps {
                self.changed.notify_one();
            }
            if let Some(call) = call {
                call();
            }
        }
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<Outcome<T>> {
        match std::mem::replace(&mut self.content, Content::Dropped) {
            Content::Given(answer) => Some(Outcome::Given(answer)),
            Content::Dropped => Some(Outcome::Dropped),
            Content::Nothing => {
                self.content = Content::Nothing;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(5)
    }

    #[test]
    fn an_answer_is_given_once() {
        let (answer, waiting) = slot();
        assert_eq!(waiting.poll(), None);
        answer.give(7);
        assert_eq!(waiting.poll(), Some(Outcome::Given(7)));
        assert_eq!(waiting.poll(), Some(Outcome::Dropped));
    }

    #[test]
    fn whoever_sleeps_is_woken_by_an_answer_and_by_its_loss() {
        for lost in [false, true] {
            let (answer, waiting) = slot();
            let waiter =
                std::thread::spawn(|| waiting.wait(Instant::now() + Duration::from_secs(60)));
            std::thread::sleep(Duration::from_millis(5));
            if lost {
                drop(answer);
            } else {
                answer.give(7);
            }
            let expected = if lost { Outcome::Dropped } else { Outcome::Given(7) };
            assert_eq!(waiter.join().unwrap(), expected);
        }
    }

    #[test]
    fn a_call_is_made_once_whether_it_is_left_before_or_after_the_answer_or_its_loss() {
        for (early, lost) in [(false, false), (false, true), (true, false), (true, true)] {
            let (answer, waiting) = slot();
            let calls = Arc::new(Mutex::new(0));
            let counted = Arc::clone(&calls);
            let mut call: Option<Call> = Some(Box::new(move || *counted.lock().unwrap() += 1));
            if early {
                call.take().into_iter().for_each(|call| waiting.call(call));
            }
            assert_eq!(*calls.lock().unwrap(), 0);
            if lost {
                drop(answer);
            } else {
                answer.give(7);
            }
            call.take().into_iter().for_each(|call| waiting.call(call));
            assert_eq!(*calls.lock().unwrap(), 1);
            let expected = if lost { Outcome::Dropped } else { Outcome::Given(7) };
            assert_eq!(waiting.poll(), Some(expected));
        }
    }

    #[test]
    fn everyone_who_left_a_call_is_called() {
        let (answer, waiting) = slot();
        let calls = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let called = Arc::clone(&calls);
            waiting.call(Box::new(move || called.lock().unwrap().push(number)));
        }
        answer.give(7);
        assert_eq!(*calls.lock().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn what_has_not_begun_is_withdrawn_and_what_has_is_late() {
        let (answer, waiting) = slot::<()>();
        assert_eq!(waiting.wait(soon()), Outcome::Withdrawn);
        assert!(!answer.begin() && answer.is_unwanted());
        let (answer, waiting) = slot::<()>();
        assert!(answer.begin());
        assert_eq!(waiting.wait(soon()), Outcome::Late);
        assert!(!answer.recall());
    }
}
