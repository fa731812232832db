//! Holds what was measured against `tests/budgets.toml`.
//!
//! A number that can't be measured is as bad as one past its limit: a budget that nobody looks at
//! keeps nothing small.

use crate::meters::{self, Measured, Measurement, tests_folder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;

/// Which budgets are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Everything,
    /// Those that need no boards.
    Core,
}

/// One budget, as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the file must say of each number what exactly it is about")]
struct Budget {
    /// Past this the check fails.
    hard: f64,
    /// What we would like to get to.
    goal: f64,
    /// A hard limit that was never met yet fails the check only past this: an open debt, which may
    /// shrink and not grow.
    held_at: Option<f64>,
    unit: String,
    measured_by: Meter,
    what: String,
    target: String,
    optimisation: String,
    toolchain: String,
}

/// What measures a number.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Meter {
    #[serde(rename = "raft-bench")]
    Core,
    #[serde(rename = "raft-bench flash")]
    Flash,
    #[serde(rename = "raft-bench loopback")]
    Loopback,
    #[serde(rename = "tests/boards/measure")]
    Boards,
}

/// What there is to say of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    GoalMet,
    WithinLimit,
    Debt,
    OverLimit,
    NotMeasured,
}

impl Verdict {
    fn of(budget: &Budget, measured: Option<f64>) -> Self {
        match measured {
            None => Self::NotMeasured,
            Some(value) if value <= budget.goal => Self::GoalMet,
            Some(value) if value <= budget.hard => Self::WithinLimit,
            Some(value) if budget.held_at.is_some_and(|most| value <= most) => Self::Debt,
            // A number that is none is not within anything.
            Some(_) => Self::OverLimit,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::GoalMet => "goal met",
            Self::WithinLimit => "within the limit",
            Self::Debt => "OVER THE LIMIT, an open debt",
            Self::OverLimit => "OVER THE LIMIT",
            Self::NotMeasured => "NOT MEASURED",
        }
    }
}

/// Measures, prints the table, and fails if anything is past its hard limit or was not measured.
pub fn check(scope: Scope) -> Result<(), String> {
    let mut budgets = read_budgets()?;
    budgets.retain(|_, it| match it.measured_by {
        Meter::Core | Meter::Flash => true,
        Meter::Boards => scope == Scope::Everything,
        // Times, which a command of their own measures in its own way.
        Meter::Loopback => false,
    });
    let mut problems = Vec::new();
    let mut measured = BTreeMap::new();
    let mut meters: Vec<fn() -> Measured> = vec![meters::core, meters::flash];
    if scope == Scope::Everything {
        meters.push(meters::boards);
    }
    for measure in meters {
        match measure() {
            Ok(numbers) => measured.extend(numbers.into_iter().map(|it| (it.name, it.value))),
            Err(problem) => problems.push(problem),
        }
    }
    let Judged { over, missing } = judge(&budgets, &measured);
    if over > 0 {
        problems.push(past_limits(over));
    }
    if missing > 0 {
        problems.push(format!("{missing} of the numbers in tests/budgets.toml not measured"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\nerror: ")) }
}

/// Holds what this meter could measure against its budgets, prints the table, and fails if anything
/// is past its hard limit. What is not there to be measured has no verdict.
pub fn hold(meter: Meter, measured: &[Measurement]) -> Result<(), String> {
    let mut budgets = read_budgets()?;
    budgets.retain(|_, it| it.measured_by == meter);
    let measured = measured.iter().map(|it| (it.name.clone(), it.value)).collect();
    match judge(&budgets, &measured).over {
        0 => Ok(()),
        over => Err(past_limits(over)),
    }
}

/// How many numbers are past their hard limits, and how many have none.
struct Judged {
    over: u32,
    missing: u32,
}

/// Prints what there is to say of each budget.
fn judge(budgets: &BTreeMap<String, Budget>, measured: &BTreeMap<String, f64>) -> Judged {
    print_row(["number", "measured", "goal", "hard", "unit", "verdict"]);
    let (mut over, mut missing) = (0, 0);
    for (name, budget) in budgets {
        let value = measured.get(name).copied();
        let verdict = Verdict::of(budget, value);
        over += u32::from(verdict == Verdict::OverLimit);
        missing += u32::from(verdict == Verdict::NotMeasured);
        let value = value.map_or("-".to_string(), shown);
        let (goal, hard) = (budget.goal.to_string(), budget.hard.to_string());
        print_row([name, &value, &goal, &hard, &budget.unit, verdict.words()]);
    }
    Judged { over, missing }
}

fn past_limits(count: u32) -> String {
    format!("{count} past a hard limit of tests/budgets.toml")
}

/// As many digits as may mean something.
fn shown(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

fn print_row([name, measured, goal, hard, unit, verdict]: [&str; 6]) {
    println!("{name:<28} {measured:>9} {goal:>7} {hard:>7}  {unit:<13} {verdict}");
}

fn read_budgets() -> Result<BTreeMap<String, Budget>, String> {
    let path = tests_folder().join("budgets.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_can_be_read_and_aims_at_no_more_than_its_limit() {
        let budgets = read_budgets().unwrap();
        assert!(!budgets.is_empty());
        for (name, budget) in &budgets {
            assert!(budget.goal <= budget.hard, "{name}");
        }
    }

    #[test]
    fn a_verdict_knows_both_limits_and_what_is_no_number() {
        let mut budgets = read_budgets().unwrap();
        let first = budgets.pop_first().unwrap().1;
        let budget = Budget { goal: 10.0, hard: 20.0, held_at: None, ..first };
        let verdict = |measured| Verdict::of(&budget, measured);
        assert_eq!(
            [verdict(Some(10.0)), verdict(Some(10.1))].map(Verdict::words),
            ["goal met", "within the limit"]
        );
        assert_eq!(verdict(Some(20.0)), Verdict::WithinLimit);
        assert_eq!(verdict(Some(20.1)), Verdict::OverLimit);
        assert_eq!(verdict(Some(f64::NAN)), Verdict::OverLimit);
        assert_eq!(verdict(None), Verdict::NotMeasured);
        let budget = Budget { held_at: Some(30.0), ..budget };
        assert_eq!(Verdict::of(&budget, Some(30.0)), Verdict::Debt);
        assert_eq!(Verdict::of(&budget, Some(30.1)), Verdict::OverLimit);
        assert_eq!(Verdict::of(&budget, Some(20.0)), Verdict::WithinLimit);
    }
}
