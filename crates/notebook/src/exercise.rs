//! Questions to the reader, and the words by which the runner of the notebooks recognises a right answer.
//!
//! Every check prints one line. The runner expects one `right` or `Holds` for each check in a cell, and treats any
//! other line as a failure. A blank answer is `None` and prints "not answered".

use std::fmt::Debug;

/// Checks an answer to an exercise and prints the result.
///
/// `None` is a blank answer. The caller computes the right answer. If the reader's answer is wrong, the hint is
/// printed, but the right answer is not.
pub fn check<T: PartialEq + Debug>(exercise: u32, answer: Option<T>, right: T, hint: &str) {
    println!("{}", checked(exercise, answer, &right, hint));
}

fn checked<T: PartialEq + Debug>(
    exercise: u32,
    answer: Option<T>,
    right: &T,
    hint: &str,
) -> String {
    match answer {
        None => format!("Exercise {exercise}: not answered."),
        Some(answer) if answer == *right => format!("Exercise {exercise}: right, {answer:?}."),
        Some(answer) => format!("Exercise {exercise}: {answer:?} is not it. {hint}"),
    }
}

/// Prints that something holds, or that it does not.
pub fn holds(what: &str, is_so: bool) {
    println!("{}", held(what, is_so));
}

pub(super) fn held(what: &str, is_so: bool) -> String {
    format!("{}: {what}.", if is_so { "Holds" } else { "DOES NOT HOLD" })
}

/// Prints the reader's prediction beside what was found. A wrong prediction is not an error but a
/// chance to learn.
pub fn predict<T: PartialEq + Debug>(about: &str, predicted: Option<T>, found: T) {
    println!("{}", predicted_so(about, predicted, &found));
}

fn predicted_so<T: PartialEq + Debug>(about: &str, predicted: Option<T>, found: &T) -> String {
    match predicted {
        None => format!("{about}: {found:?}. (You made no prediction.)"),
        Some(guess) if guess == *found => format!("{about}: {found:?}, as you said."),
        Some(guess) => format!("{about}: {found:?}. You said {guess:?}."),
    }
}

#[cfg(test)]
mod tests {
    use super::{checked, held, predicted_so};

    #[test]
    fn a_check_says_right_only_where_it_is() {
        let ask = |answer| checked(2, answer, &128, "Each path has d channels.");
        assert_eq!(ask(Some(128)), "Exercise 2: right, 128.");
        assert_eq!(ask(Some(64)), "Exercise 2: 64 is not it. Each path has d channels.");
        assert_eq!(ask(None), "Exercise 2: not answered.");
        assert_eq!(held("b = c", true), "Holds: b = c.");
        assert_eq!(held("b = c", false), "DOES NOT HOLD: b = c.");
    }

    #[test]
    fn a_prediction_is_set_beside_what_was_found() {
        assert_eq!(predicted_so("x", Some(true), &true), "x: true, as you said.");
        assert_eq!(predicted_so("x", Some(false), &true), "x: true. You said false.");
        assert_eq!(predicted_so("x", None, &true), "x: true. (You made no prediction.)");
    }
}
