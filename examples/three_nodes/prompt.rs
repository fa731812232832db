//! The line that is being typed, and those that were.

/// How many lines are remembered.
const LINES_MAX: usize = 100;

/// Text that grows and shrinks at its end.
#[derive(Default)]
pub struct Prompt {
    text: String,
    history: Vec<String>,
    /// How many lines back in the history the text was taken from; 0 if it was typed.
    back: usize,
}

impl Prompt {
    pub fn push(&mut self, letter: char) {
        self.text.push(letter);
    }

    pub fn erase(&mut self) {
        self.text.pop();
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.back = 0;
    }

    /// Takes the line away, into the history.
    pub fn enter(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        self.back = 0;
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            let old = self.history.len().saturating_sub(LINES_MAX);
            self.history.drain(..old);
        }
        line
    }

    /// The line before.
    pub fn earlier(&mut self) {
        self.recall((self.back + 1).min(self.history.len()));
    }

    /// The line after, and an empty one after the last.
    pub fn later(&mut self) {
        self.recall(self.back.saturating_sub(1));
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    fn recall(&mut self, back: usize) {
        if back != self.back {
            self.back = back;
            let line = self.history.iter().rev().nth(back.wrapping_sub(1));
            self.text = line.cloned().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(prompt: &mut Prompt, line: &str) {
        prompt.clear();
        line.chars().for_each(|letter| prompt.push(letter));
        assert_eq!(prompt.enter(), line);
    }

    #[test]
    fn earlier_lines_come_back_in_their_order() {
        let mut prompt = Prompt::default();
        for line in ["get a", "get b", "get b", " "] {
            enter(&mut prompt, line);
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            prompt.earlier();
            seen.push(prompt.text().to_owned());
        }
        assert_eq!(seen, ["get b", "get a", "get a"]);
        prompt.later();
        assert_eq!(prompt.text(), "get b");
        prompt.later();
        assert_eq!(prompt.text(), "");
    }

    #[test]
    fn a_typed_line_stays_where_there_is_no_history() {
        let mut prompt = Prompt::default();
        prompt.push('x');
        prompt.earlier();
        prompt.later();
        assert_eq!(prompt.text(), "x");
        prompt.erase();
        prompt.erase();
        assert_eq!(prompt.text(), "");
    }

    #[test]
    fn the_history_has_an_end() {
        let mut prompt = Prompt::default();
        for number in 0..LINES_MAX + 5 {
            enter(&mut prompt, &format!("get {number}"));
        }
        for _ in 0..LINES_MAX + 5 {
            prompt.earlier();
        }
        assert_eq!(prompt.text(), "get 5");
    }
}
