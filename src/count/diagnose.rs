//! Finds the counting mistakes and conventions that lead to a given number.

use super::conventions::{ALL, Convention, Quantity, by_rule, counts};
use super::digits::Digits;
use crate::error::Result;
use crate::network::architecture::Architecture;
use crate::network::layers::Map;

/// The most mistakes that are combined. Any number of conventions may be added.
const MISTAKES: usize = 2;

/// A way to arrive at a number.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The network.
    pub network: String,
    /// The counting conventions and mistakes that give the count.
    pub conventions: Vec<&'static Convention>,
    /// The count.
    pub count: u64,
}

/// What is known about a number.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// All ways to arrive at the number. Those with the fewest conventions come first. Ways with equally many are in
    /// the order of the zoo.
    pub fits: Vec<Fit>,
    /// The way that comes nearest to the number, if `fits` is empty. The more conventions a way uses, the further
    /// away it ranks.
    pub nearest: Option<Fit>,
    /// How many counts were compared with the number.
    pub searched: u64,
}

/// Looks for the number among all counts of these networks. Each network is counted on `input`, or on its usual input
/// if none is given, with up to two mistakes and any conventions.
///
/// Errors: those of [`network`](super::network()), for networks whose plain count cannot be computed.
///
/// ```
/// use triform::count::{Quantity, diagnose};
/// use triform::network::zoo;
/// let found = diagnose(&"3.858G".parse()?, Quantity::Macs, &zoo::with_blocks()?, None)?;
/// assert_eq!(found.fits[0].network, "resnet50");
/// assert_eq!(found.fits[0].conventions[0].name, "stride-on-1x1");
/// # Ok::<(), triform::Error>(())
/// ```
pub fn diagnose(
    given: &Digits,
    quantity: Quantity,
    networks: &[Architecture],
    input: Option<Map>,
) -> Result<Diagnosis> {
    let mut diagnosis = Diagnosis { fits: Vec::new(), nearest: None, searched: 0 };
    for network in networks {
        let input = input.unwrap_or_else(|| network.usual_input());
        of_network(network, input, given, quantity, &mut diagnosis)?;
    }
    // A stable sort: networks stay in the order of the zoo.
    diagnosis.fits.sort_by_key(|fit| fit.conventions.len());
    if !diagnosis.fits.is_empty() {
        diagnosis.nearest = None;
    }
    Ok(diagnosis)
}

fn of_network(
    network: &Architecture,
    input: Map,
    given: &Digits,
    quantity: Quantity,
    diagnosis: &mut Diagnosis,
) -> Result<()> {
    let concerned = ALL.iter().filter(|convention| convention.concerns(quantity));
    let (mistakes, mut ways): (Vec<&'static Convention>, Vec<_>) =
        concerned.partition(|convention| convention.is_mistake());
    // The convention about how the number is written is tried last.
    let cut_off = ways.iter().position(|convention| convention.is_of_digits());
    let cut_off = cut_off.map(|at| ways.remove(at));
    let mut tried = Vec::new();
    for some in subsets(&mistakes, MISTAKES) {
        let counted = match counts(network, &some, input) {
            Ok(counted) => counted,
            Err(error) if some.is_empty() => return Err(error),
            // A mistake that this network does not allow, or whose count does not fit in 64 bits.
            Err(_) => continue,
        };
        for others in subsets(&ways, ways.len()) {
            if some.iter().any(|one| others.iter().any(|other| one.clashes(other))) {
                continue;
            }
            let conventions: Vec<_> = some.iter().chain(&others).copied().collect();
            let count = by_rule(network, &counted, &conventions, quantity)?;
            tried.push(Fit { network: network.name.clone(), conventions, count });
        }
    }
    diagnosis.searched += tried.len() as u64;
    tried.sort_by_key(|fit| fit.conventions.len());
    let mut fits: Vec<Fit> = Vec::new();
    for mut fit in tried {
        if let (true, Some(cut_off)) = (given.holds_cut_off(fit.count), cut_off) {
            fit.conventions.push(cut_off);
        }
        let cut = fit.conventions.last().is_some_and(|last| last.is_of_digits());
        if cut || given.holds(fit.count) {
            // Skips a fit with conventions that do not change its count.
            let idle = fits.iter().any(|simpler| {
                let within = |d: &&Convention| fit.conventions.iter().any(|e| e.name == d.name);
                simpler.count == fit.count && simpler.conventions.iter().all(within)
            });
            if !idle {
                fits.push(fit);
            }
        } else {
            // Of two ways that are about equally near, prefers the simpler one.
            let key = |fit: &Fit| {
                let conventions = fit.conventions.len() as u64;
                (given.distance(fit.count).saturating_mul(1 + conventions), conventions)
            };
            if diagnosis.nearest.as_ref().is_none_or(|nearest| key(&fit) < key(nearest)) {
                diagnosis.nearest = Some(fit);
            }
        }
    }
    diagnosis.fits.extend(fits);
    Ok(())
}

/// All sets of at most `most` of these conventions, without two conventions on the same subject. Each set keeps the
/// given order.
fn subsets(of: &[&'static Convention], most: usize) -> Vec<Vec<&'static Convention>> {
    let mut sets = vec![Vec::new()];
    for convention in of {
        for number in 0..sets.len() {
            let set: &Vec<&'static Convention> = &sets[number];
            if set.len() < most && set.iter().all(|other| !other.clashes(convention)) {
                let with = set.iter().chain([convention]).copied().collect();
                sets.push(with);
            }
        }
    }
    sets
}
