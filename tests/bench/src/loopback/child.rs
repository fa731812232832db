//! A process that is this program once more, and talks in lines: one question, one answer.
//!
//! It ends when nobody can ask any more, so that nothing stays behind, whatever becomes of whoever
//! started it.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// A running process, as the one that started it sees it.
pub struct Child {
    process: std::process::Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program with these words.
    pub fn start(words: &[&str]) -> Result<Self, String> {
        let program = env::current_exe().map_err(|error| format!("where this program is: {error}"));
        let mut command = Command::new(program?);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{words:?}: {error}"))?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(format!("{words:?} has no pipes"));
        };
        Ok(Self { process, questions, answers: BufReader::new(answers) })
    }

    /// Asks for numbers, and waits for them.
    pub fn ask(&mut self, question: &str) -> Result<Vec<f64>, String> {
        writeln!(self.questions, "{question}").map_err(|error| format!("{question}: {error}"))?;
        self.listen()
    }

    /// Waits for the next line, which is numbers or says what went wrong.
    pub fn listen(&mut self) -> Result<Vec<f64>, String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.map_err(|error| format!("a process says nothing: {error}"))?;
        if line.is_empty() {
            return Err("a process has ended, as it says above".to_owned());
        }
        let numbers = line.split_whitespace().map(|word| word.parse().map_err(|_| line.clone()));
        numbers.collect()
    }

    /// Which process this is.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended by itself is fine, too.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// In such a process: answers every question, until nobody can ask any more.
pub fn answer(mut answer: impl FnMut(&[&str]) -> Result<Vec<f64>, String>) -> Result<(), String> {
    for question in stdin().lines() {
        let question = question.map_err(|error| error.to_string())?;
        let words: Vec<_> = question.split_whitespace().collect();
        match answer(&words) {
            Ok(numbers) => say(&numbers),
            Err(problem) => println!("{question}: {problem}"),
        }
        stdout().flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Says numbers in one line.
pub fn say(numbers: &[f64]) {
    let words: Vec<_> = numbers.iter().map(f64::to_string).collect();
    println!("{}", words.join(" "));
}
