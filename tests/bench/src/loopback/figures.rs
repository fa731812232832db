//! What was measured, round by round, and the table that tells it.
//!
//! A machine that others use, too, is slow for a while, and then not. So floors and figures take
//! turns, a ratio is one of two numbers of the same round, and what counts is the median of all
//! rounds.

/// Numbers of one kind, one for each round.
struct Figure {
    name: &'static str,
    unit: &'static str,
    rounds: Vec<f64>,
}

/// Everything that was measured, in the order in which it was first.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// One more round's number.
    pub fn add(&mut self, name: &'static str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.rounds.push(value),
            None => self.0.push(Figure { name, unit, rounds: vec![value] }),
        }
    }

    /// The median of all rounds.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|figure| figure.name == name).map(Figure::median)
    }

    /// Prints a heading, and a line for each of them.
    pub fn print(&self, heading: &str) {
        println!("\n{heading:<56} {:>9} {:>9} {:>9}", "median", "least", "most");
        for figure in &self.0 {
            let [median, least, most] =
                [figure.median(), figure.least(), figure.most()].map(|number| figure.shown(number));
            println!("  {:<54} {median:>9} {least:>9} {most:>9}  {}", figure.name, figure.unit);
        }
    }
}

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn least(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// As many digits as may mean something.
    fn shown(&self, number: f64) -> String {
        match self.most() {
            most if most >= 1000.0 => format!("{number:.0}"),
            most if most >= 10.0 => format!("{number:.1}"),
            _ => format!("{number:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_the_median_of_the_rounds() {
        let mut figures = Figures::default();
        for value in [3.0, 90.0, 1.0, 2.0, 4.0] {
            figures.add("commit", "µs", value);
        }
        assert_eq!((figures.median("commit"), figures.median("sync")), (Some(3.0), None));
        assert_eq!((figures.0[0].least(), figures.0[0].most()), (1.0, 90.0));
        assert_eq!(figures.0[0].shown(3.0), "3.0");
    }
}
