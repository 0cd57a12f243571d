//! The program's reports, shown in a cell.

use ndarray::{Array2, Array4, ArrayView4};

use super::display::Shown;
use super::exercise::held;
use super::table::{Table, thousands};
use triform::block::{BlockForm, BlockSpec, BlockWeights, Bottleneck, Form, Functions};
use triform::claims;
use triform::conv::{Fast, on_one_thread};
use triform::count::{Digits, Quantity, diagnose};
use triform::error::Result;
use triform::evidence::any_form::AnyForm;
use triform::evidence::progress::Quiet;
use triform::evidence::rungs::Rung;
use triform::evidence::speed;
use triform::evidence::verdict::Verdict;
use triform::evidence::verify::{Input, Plan, verify};
use triform::gallery::witness::smallest;
use triform::gallery::{self, matrix};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::weights::NetworkWeights;
use triform::network::{init, zoo};
use triform::random::{Purpose, Seed};
use triform_bench::timing::{Rounds, Work, in_turn};
use triform_cli::report;

/// The whole argument in numbers, as `triform explain` prints it.
pub fn argument() -> Result<Shown> {
    Ok(Shown::text(report::explain::argument(false)?))
}

/// Checks a claim, and shows that the check refutes something wrong, as `triform explain NAME` does.
///
/// Errors: [`NoSuchName`](triform::Error::NoSuchName).
///
/// ```
/// let depthwise = triform_notebook::claim("depthwise")?;
/// assert!(depthwise.plain().ends_with("Holds: the claim, and its check refutes what it must."));
/// # Ok::<(), triform::Error>(())
/// ```
pub fn claim(name: &str) -> Result<Shown> {
    let checked = report::claims::Checked::new(claims::named(name)?)?;
    let line = held("the claim, and its check refutes what it must", checked.holds());
    let text = checked.render(true);
    // A heading of the first level would look like one of the notebook's own.
    Ok(Shown::markdown(format!("{}\n{line}", text.trim_start_matches("# "))))
}

/// A wrong block, as `triform refute NAME` reports it: which rungs refute it, and the smallest block that
/// shows the mistake, worked out.
///
/// Errors: [`NoSuchName`](triform::Error::NoSuchName).
pub fn mistake(name: &str) -> Result<Shown> {
    let mistake = gallery::named(name)?;
    let seed = Seed(0);
    let rows = matrix::run(&[*mistake], &Rung::ALL.into(), seed, &Quiet)?;
    let row = rows.as_ref().and_then(|rows| rows.first());
    let row = row.ok_or_else(|| unreachable!("nobody stopped it"))?;
    let smallest = smallest(mistake, seed)?;
    let repeat = format!("triform refute {name} --seed {}", seed.0);
    Ok(Shown::text(report::refute::one(row, smallest.as_ref(), &repeat, false)?))
}

/// What `triform diagnose COUNT` reports about a count, for one network or for all networks.
///
/// Errors: a count that is not a number; [`NoSuchName`](triform::Error::NoSuchName).
pub fn diagnosis(text: &str, quantity: Quantity, network: Option<&str>) -> Result<Shown> {
    let given: Digits = text.parse()?;
    let networks = match network {
        Some(name) => vec![zoo::named(name)?],
        None => zoo::with_blocks()?,
    };
    let found = diagnose(&given, quantity, &networks, None)?;
    let asked =
        report::diagnose::Asked { given: &given, quantity, network, input: None, classes: None };
    Ok(Shown::text(report::diagnose::render(&asked, &found)?))
}

/// Runs the ladder of evidence on one block. The table shows what `triform verify --block B --map M --rung R` reports,
/// but without the times, which differ from run to run.
///
/// Errors: those of [`verify`].
pub fn verified(block: BlockSpec, map: (usize, usize), rungs: &[Rung], seed: u64) -> Result<Table> {
    let forms = Form::ALL.each_ref().map(|form| form as &dyn AnyForm);
    let plan = Plan { rungs: rungs.iter().copied().collect(), ..Plan::default() };
    let report = verify(&forms, &Input::Block(block, map), &plan, Seed(seed), &Quiet)?;
    let mut table = Table::new(&["rung", "what it asks", "on", "cases", "how far", "verdict"]);
    for finding in &report.findings {
        let verdict = match &finding.verdict {
            Verdict::Refuted { .. } => "refuted: DOES NOT HOLD",
            verdict => verdict.word(),
        };
        table.row(&[
            &finding.rung,
            &finding.rung.name,
            &finding.scope,
            &thousands(finding.cases.get()),
            &report::verify::far(&finding.bound),
            &verdict,
        ]);
    }
    Ok(table)
}

/// The times of the three forms on one thread, and their ratios to form (c). All forms get the same numbers and are
/// timed round by round. Jupyter's kernel optimises less than a release build, so use `triform bench` for reliable
/// times.
///
/// Errors: a block that is not possible.
pub fn timed(blocks: &[(BlockSpec, (usize, usize))]) -> Result<Table> {
    let mut table = Table::new(&["block", "map", "form", "ms, shortest", "over (c)"]);
    let fast = Fast::new();
    for (spec, (h, w)) in blocks {
        let weights = init::block(*spec, &mut Seed(0).stream(Purpose::Weights, &[]))?;
        let x = Array4::from_elem((1, spec.c_in(), *h, *w), 0.5);
        let none = Functions::none();
        let prepared = Form::ALL.map(|form| Bottleneck::prepare(&form, &weights, &fast));
        let prepared = prepared.into_iter().collect::<Result<Vec<_>>>()?;
        let run = |block: &'_ Bottleneck<f32, Fast>| block.forward(x.view(), &none, &fast);
        let mut work: Vec<Work<'_>> =
            prepared.iter().map(|block| Box::new(move || run(block)) as Work<'_>).collect();
        let times = on_one_thread(|| in_turn(&mut work, Rounds::default(), &|| false))?;
        let Some(times) = times else { unreachable!("nobody stopped it") };
        let grouped = times[2].min_ms;
        for (form, time) in Form::ALL.iter().zip(&times) {
            table.row(&[
                &spec.name(),
                &speed::map_name((*h, *w)),
                &format!("({})", BlockForm::letter(form)),
                &format!("{:.2}", time.min_ms),
                &format!("{:.2}", time.min_ms / grouped),
            ]);
        }
    }
    Ok(table)
}

/// The logits of a network, N x classes, for an input of N x 3 x H x W. All bottlenecks have the given form, which may
/// be wrong.
///
/// Errors: a network without a top, or an input that does not suit the network.
///
/// ```
/// use triform_notebook::*;
///
/// let small = network::architecture::Architecture::resnext29("small", 2, 4)?.with_classes(5);
/// let weights = init::network(&small, Seed(1), init::Fan::Whole)?;
/// let x = integers([2, 3, 16, 16], 1);
/// let [a, _, c] = Form::ALL.map(|form| logits(&form, &weights, x.view()));
/// let (a, c) = (a?, c?);
/// assert_eq!(a.dim(), (2, 5));
/// assert!((&a - &c).iter().all(|difference| difference.abs() < 1e-3));
/// # Ok::<(), triform::Error>(())
/// ```
pub fn logits(
    form: &impl BlockForm,
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
) -> Result<Array2<f32>> {
    let fast = Fast::new();
    let prepare = |block: &BlockWeights<f32>, fast: &Fast| Bottleneck::prepare(form, block, fast);
    let network = Network::prepare(&prepare, weights, |weight| *weight, &fast)?;
    let functions = NetworkFunctions::new(weights)?;
    let features = network.features(x, &functions, &fast, &mut |_, _| ())?;
    network.logits(features.view(), &functions, &fast)
}
