//! The search for an order that explains the operations of one key.
//!
//! Only answered operations are placed. One without an answer can wait for ever, so it is taken
//! only as part of a chain that leads from the value that is there to the one that an answer
//! found; using fewer of them never loses an order, so a state is not tried again with more of them
//! used. What changes nothing and fits is placed at once: it could as well come here as later.

use super::{Answer, Operation};
use crate::register::{Register, Request};
use std::collections::HashMap;

/// What a search came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Linearizable,
    Unlinearizable,
    /// It took too many steps.
    Undecided,
}

/// A search under way.
pub(super) struct Search {
    /// By the tick in which they were begun.
    answered: Vec<Answered>,
    /// By the tick in which they were begun.
    unanswered: Vec<Unanswered>,
    /// Which of the answered ones are placed.
    placed: Bits,
    /// Which of the unanswered ones are used.
    used: Bits,
    register: Register,
    /// How many answered ones are not placed.
    left: usize,
    /// What was placed, the value then, and what was used to get there: nothing was found from
    /// there, or it is being tried.
    visited: HashMap<(Bits, Register), Vec<Bits>>,
    steps_left: u64,
}

struct Answered {
    invoked: u32,
    request: Request,
    answer: Answer,
}

struct Unanswered {
    invoked: u32,
    request: Request,
}

/// One way on: unanswered operations, the last one first, and then an answered one.
struct Step {
    chain: Vec<usize>,
    answered: usize,
    /// The value before.
    register: Register,
}

/// A set of operations by their number.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Bits(Box<[u64]>);

impl Search {
    pub(super) fn new(operations: &[Operation], steps_max: u64) -> Self {
        let mut in_order: Vec<&Operation> = operations.iter().collect();
        in_order.sort_by_key(|operation| operation.invoked);
        let (mut answered, mut unanswered) = (Vec::new(), Vec::new());
        for &&Operation { invoked, request, answer, .. } in &in_order {
            match answer {
                Some(answer) => answered.push(Answered { invoked, request, answer }),
                None => unanswered.push(Unanswered { invoked, request }),
            }
        }
        Self {
            placed: Bits::new(answered.len()),
            used: Bits::new(unanswered.len()),
            register: Register::default(),
            left: answered.len(),
            visited: HashMap::new(),
            steps_left: steps_max,
            answered,
            unanswered,
        }
    }

    pub(super) fn run(mut self) -> Outcome {
        let mut untried = vec![self.ways_on()];
        let mut taken: Vec<Step> = Vec::new();
        while self.left > 0 {
            let Some(ways) = untried.last_mut() else { return Outcome::Unlinearizable };
            match ways.pop() {
                Some(step) => {
                    self.take(&step);
                    if self.visit() {
                        untried.push(self.ways_on());
                        taken.push(step);
                    } else {
                        self.take_back(&step);
                    }
                }
                None => {
                    untried.pop();
                    if let Some(step) = taken.pop() {
                        self.take_back(&step);
                    }
                }
            }
            if !self.count_step() {
                return Outcome::Undecided;
            }
        }
        Outcome::Linearizable
    }

    /// Says whether nothing is known yet about the state that was reached.
    fn visit(&mut self) -> bool {
        let uses = self.visited.entry((self.placed.clone(), self.register)).or_default();
        if uses.iter().any(|used| used.is_within(&self.used)) {
            return false;
        }
        uses.retain(|used| !self.used.is_within(used));
        uses.push(self.used.clone());
        true
    }

    fn take(&mut self, step: &Step) {
        // In a chain each one leads to what the next one needs, so the end alone counts.
        self.register = Register(self.answered[step.answered].answer.found);
        self.register.apply(self.answered[step.answered].request);
        self.flip(step);
        self.left -= 1;
    }

    fn take_back(&mut self, step: &Step) {
        self.register = step.register;
        self.flip(step);
        self.left += 1;
    }

    fn flip(&mut self, step: &Step) {
        self.placed.flip(step.answered);
        step.chain.iter().for_each(|&at| self.used.flip(at));
    }

    /// Every way on, the most promising one last.
    fn ways_on(&mut self) -> Vec<Step> {
        let (next, until) = self.next();
        let register = self.register;
        let mut steps = Vec::new();
        for answered in next {
            let Answered { request, answer, .. } = self.answered[answered];
            if answer.found == register.0 {
                let mut after = register;
                after.apply(request);
                let step = Step { chain: Vec::new(), answered, register };
                if after == register {
                    return vec![step];
                }
                steps.push(step);
            } else {
                let mut chains = Chains { until, target: answer.found, found: Vec::new() };
                self.lead_back(&mut chains, answer.found, &mut Vec::new());
                let found = chains.found.into_iter();
                steps.extend(found.map(|chain| Step { chain, answered, register }));
            }
        }
        steps.sort_by_key(|step| (step.chain.len(), self.answered[step.answered].answer.tick));
        steps.reverse();
        steps
    }

    /// The answered operations that may come next, and the tick until which others may be begun
    /// and come next too: all those that none of the others precedes.
    fn next(&self) -> (Vec<usize>, u32) {
        let (mut until, mut next) = (u32::MAX, Vec::new());
        for (at, operation) in self.answered.iter().enumerate() {
            if operation.invoked > until {
                break;
            }
            if !self.placed.has(at) {
                until = until.min(operation.answer.tick);
                next.push(at);
            }
        }
        next.retain(|&at| self.answered[at].invoked <= until);
        (next, until)
    }

    /// Looks, from a value that is needed backwards, for unanswered operations that lead to it
    /// from the value that is there. `chain` leads on from `needed`, its last one first.
    fn lead_back(&mut self, chains: &mut Chains, needed: u64, chain: &mut Vec<usize>) {
        if !self.count_step() {
            return;
        }
        if needed == self.register.0 {
            chains.found.push(chain.clone());
            return;
        }
        let mut seen: Vec<Request> = Vec::new();
        for at in 0..self.unanswered.len() {
            let Unanswered { invoked, request } = self.unanswered[at];
            if invoked > chains.until {
                break;
            }
            let taken = chain.contains(&at) || self.used.has(at);
            // Of those that ask for the same the first one is as good as any.
            if taken || seen.contains(&request) {
                continue;
            }
            seen.push(request);
            let before = match request {
                Request::Put(value) if value == needed => {
                    chains.found.push([&chain[..], &[at]].concat());
                    continue;
                }
                Request::CompareAndSwap { expected, new } if new == needed => expected,
                Request::Add(amount) if self.may_add(chains, at, needed, chain) => {
                    needed.wrapping_sub(amount)
                }
                _ => continue,
            };
            if before == needed || before == chains.target {
                continue;
            }
            chain.push(at);
            self.lead_back(chains, before, chain);
            chain.pop();
        }
    }

    /// Whether an addition may be what led to `needed`: of several in a row the order does not
    /// matter, so only one is tried; and values that nothing else can lead to are not tried.
    fn may_add(&self, chains: &Chains, at: usize, needed: u64, chain: &[usize]) -> bool {
        let in_row = chain.last().filter(|&&after| {
            let request = self.unanswered[after].request;
            matches!(request, Request::Add(_))
        });
        if in_row.is_some_and(|&after| after > at) {
            return false;
        }
        let (mut least, mut most, mut sum) = (self.register.0, self.register.0, 0_u64);
        let begun = self.unanswered.iter().take_while(|it| it.invoked <= chains.until);
        for operation in begun {
            match operation.request {
                Request::Put(value) | Request::CompareAndSwap { new: value, .. } => {
                    (least, most) = (least.min(value), most.max(value));
                }
                Request::Add(amount) => sum = sum.saturating_add(amount),
                Request::Get => {}
            }
        }
        // Past the largest number additions begin again at zero, and nothing is known.
        let wraps = most.checked_add(sum).is_none();
        wraps || (least < needed && needed <= most.saturating_add(sum))
    }

    /// Says whether there are steps left.
    fn count_step(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0
    }
}

/// What a look for chains is about.
struct Chains {
    /// Unanswered operations that were begun later can't take part.
    until: u32,
    /// The value that is wanted in the end.
    target: u64,
    found: Vec<Vec<usize>>,
}

impl Bits {
    fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)].into_boxed_slice())
    }

    fn flip(&mut self, at: usize) {
        self.0[at / 64] ^= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, other)| mine & !other == 0)
    }
}
