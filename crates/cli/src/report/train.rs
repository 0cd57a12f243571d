//! The report of `triform train`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::object;
use super::page::Page;
use super::words::{several, thousands};
use triform::train::lockstep::{BLOCKS, Order, Plan, Report, Trained, WrongTrained};
use triform::train::record::{Record, WrongBlock};

/// The results of training: the right forms, and the wrong blocks if they were asked for.
pub struct Found {
    /// What was trained.
    pub plan: Plan,
    /// The forms.
    pub right: Report,
    /// The wrong blocks whose training was finished.
    pub wrong: Vec<WrongTrained>,
    /// How many wrong blocks were not finished because the run was stopped.
    pub missing: usize,
}

impl Found {
    /// True if the forms did not stay equal to the bit when all of them add in the same order.
    pub fn refutes(&self) -> bool {
        self.right.apart.is_some()
    }

    /// Whether the run was stopped before the end.
    pub fn partial(&self) -> bool {
        self.right.partial || self.missing > 0
    }

    /// What the figures show.
    pub fn record(&self) -> Record {
        let wrong = self.wrong.iter().map(|WrongTrained { mistake, trained }| WrongBlock {
            mistake: mistake.name.to_owned(),
            loss: trained.as_ref().and_then(|trained| trained.losses.last().copied()),
            accuracy: trained.as_ref().map(|trained| trained.accuracy),
            why_null: match trained {
                Some(_) => BTreeMap::new(),
                None => ["loss", "accuracy"]
                    .map(|key| (key.to_owned(), "its weights did not stay finite".to_owned()))
                    .into(),
            },
        });
        let Report { trained, by_path, drift, .. } = &self.right;
        Record {
            runs: trained.clone(),
            by_path: by_path.clone(),
            drift: drift.clone(),
            wrong: wrong.collect(),
        }
    }

    fn accuracies(&self) -> (f64, f64) {
        let all = self.right.trained.iter().map(|trained| trained.accuracy);
        all.fold((1.0, 0.0), |(low, high), own| (own.min(low), own.max(high)))
    }
}

/// 0.9722 as `97.2%`.
fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// `0.31`, or `7e-8` if the share is small.
fn share(share: f64) -> String {
    if share < 0.01 { format!("{share:.0e}") } else { format!("{share:.2}") }
}

/// `97.2%`, or `96.9% to 97.2%`.
fn range((low, high): (f64, f64)) -> String {
    let (low, high) = (percent(low), percent(high));
    if low == high { low } else { format!("{low} to {high}") }
}

/// The report in words.
pub fn render(found: &Found, repeat: &str) -> String {
    let mut page = Page::new(false);
    let right = &found.right;
    let [trained_on, tested] = right.images;
    if right.steps == 0 {
        page.paragraph("Interrupted before the first step; there is nothing to report.");
        return page.into_text();
    }
    if found.right.partial {
        page.paragraph(&format!(
            "Interrupted after {} of {} steps.",
            right.steps, found.plan.steps
        ));
        page.gap();
    } else if found.missing > 0 {
        let blocks = several(found.missing, "wrong block");
        page.paragraph(&format!("Interrupted, with {blocks} still in training."));
        page.gap();
    }
    let numbers = thousands(right.numbers as u64);
    page.paragraph(&match &right.apart {
        None => format!(
            "In one order of sums the three forms stay equal to the bit: {} of training, with all {numbers} \
             weights and statistics compared after each.",
            several(right.steps, "step")
        ),
        Some(apart) => format!(
            "Form ({}) is not the same function in training: after step {} {} of {numbers} numbers \
             differ, though all add in one order.",
            apart.form, apart.step, apart.differing
        ),
    });
    let drift = right.drift.last().copied().unwrap_or(0.0);
    page.next_paragraph(&format!(
        "If each form adds in its own order, rounding drives the weights apart: after {}, two forms differ by \
         at most {} of the largest number. With either order, the accuracy is {} on {tested} test images.",
        several(right.steps, "step"),
        share(drift),
        range(found.accuracies()),
    ));
    let mut rows = vec![
        ["form", "order of sums", "first loss", "last loss", "accuracy"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let row = |what: String, order: &str, trained: &Trained| {
        let loss = |loss: Option<&f64>| loss.map_or(String::new(), |loss| format!("{loss:.4}"));
        vec![
            what,
            order.to_owned(),
            loss(trained.losses.first()),
            loss(trained.losses.last()),
            percent(trained.accuracy),
        ]
    };
    for trained in &right.trained {
        let order = if trained.order == Order::Fixed { "one for all" } else { "its own" };
        rows.push(row(format!("({})", trained.form), order, trained));
    }
    rows.push(row("(c), drawn by path".to_owned(), "one for all", &right.by_path));
    page.table(&rows);
    page.next_paragraph(&format!(
        "Drawn by path: the first two layers are drawn as C separate convolutions, so with sqrt(C) = 2 times \
         the standard deviation, as in the paper's released form (b). The network has a 3x3 stem of 16 \
         channels, the blocks {}, and a fully connected layer. It learns from {} handwritten digits of 8x8 \
         pixels, in batches of {}. The learning rate is {} and falls to 0 over the steps; the momentum is {}, \
         and the weight decay {}. The last loss is that of one batch.",
        BLOCKS.join(", "),
        thousands(trained_on as u64),
        found.plan.batch,
        found.plan.sgd.rate,
        found.plan.sgd.momentum,
        found.plan.sgd.decay,
    ));
    if !found.wrong.is_empty() {
        wrong_blocks(&mut page, found, &found.wrong);
    }
    page.next_paragraph(&format!("Repeat: {repeat}"));
    page.into_text()
}

fn wrong_blocks(page: &mut Page, found: &Found, wrong: &[WrongTrained]) {
    let as_good = found.record().as_accurate_as_the_right_one();
    page.heading(2, "Wrong blocks, trained the same way");
    page.paragraph(&format!(
        "{as_good} of {} wrong blocks are at least as accurate as the right one in its least accurate \
         run.{}",
        wrong.len(),
        if as_good > 0 { " Accuracy does not reveal that these are wrong." } else { "" },
    ));
    let mut rows = vec![["mistake", "last loss", "accuracy"].map(str::to_owned).to_vec()];
    for WrongTrained { mistake, trained } in wrong {
        let last = trained.as_ref().and_then(|trained| trained.losses.last());
        rows.push(vec![
            mistake.name.to_owned(),
            last.map_or("not finite".to_owned(), |loss| format!("{loss:.4}")),
            trained.as_ref().map_or("-".to_owned(), |trained| percent(trained.accuracy)),
        ]);
    }
    page.table(&rows);
}

/// The same as JSON.
pub fn json(found: &Found) -> impl Serialize {
    let right = &found.right;
    object! {
        seed: found.plan.seed.0,
        steps: right.steps,
        batch: found.plan.batch,
        numbers: right.numbers,
        trained_on: right.images[0],
        tested: right.images[1],
        equal_to_the_bit: right.holds(),
        apart: right.apart.iter().cloned().collect::<Vec<_>>(),
        #[serde(flatten)] record: found.record(),
    }
}
