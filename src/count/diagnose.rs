//! Which known mistakes and conventions give a number.

use super::departures::{ALL, Departure, by_rule, counts};
use super::digits::Digits;
use super::rules::Quantity;
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::zoo;

/// Mistakes that are looked for at once; conventions come on top.
const MISTAKES: usize = 2;

/// A way to arrive at a number.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The network.
    pub network: String,
    /// In what the count departs from the plain one.
    pub departures: Vec<&'static Departure>,
    /// The count.
    pub count: u64,
}

/// What is known about a number.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// All that give it: fewest departures first, then in the order of the zoo.
    pub fits: Vec<Fit>,
    /// Where there are none, the nearest: of the fewest departures.
    pub nearest: Option<Fit>,
    /// Counts that were compared.
    pub searched: u64,
}

/// Looks for the number among all counts of the networks, or of one, with up to two mistakes and any
/// conventions.
///
/// # Errors
///
/// None in practice.
///
/// ```
/// use triform::count::{Quantity, diagnose};
/// let found = diagnose(&"3.858G".parse()?, Quantity::Macs, None)?;
/// assert_eq!(found.fits[0].network, "resnet50");
/// assert_eq!(found.fits[0].departures[0].name, "stride-on-1x1");
/// # Ok::<(), triform::Error>(())
/// ```
pub fn diagnose(
    given: &Digits,
    quantity: Quantity,
    network: Option<&Architecture>,
) -> Result<Diagnosis> {
    let networks = match network {
        Some(network) => vec![network.clone()],
        None => zoo::with_blocks()?,
    };
    let mut diagnosis = Diagnosis { fits: Vec::new(), nearest: None, searched: 0 };
    for network in &networks {
        of_network(network, given, quantity, &mut diagnosis)?;
    }
    // A stable sort: networks stay in the order of the zoo.
    diagnosis.fits.sort_by_key(|fit| fit.departures.len());
    if !diagnosis.fits.is_empty() {
        diagnosis.nearest = None;
    }
    Ok(diagnosis)
}

fn of_network(
    network: &Architecture,
    given: &Digits,
    quantity: Quantity,
    diagnosis: &mut Diagnosis,
) -> Result<()> {
    let (mistakes, conventions): (Vec<&'static Departure>, Vec<_>) =
        ALL.iter().filter(|departure| departure.concerns(quantity)).partition(|d| d.is_mistake());
    let mut tried = Vec::new();
    for some in subsets(&mistakes, MISTAKES) {
        let counted = match counts(network, &some) {
            Ok(counted) => counted,
            // A mistake that this network does not allow.
            Err(Error::GroupsDoNotDivide { .. }) => continue,
            Err(error) => return Err(error),
        };
        for others in subsets(&conventions, conventions.len()) {
            let departures: Vec<_> = some.iter().chain(&others).copied().collect();
            if clash(&departures) {
                continue;
            }
            let count = by_rule(network, &counted, &departures, quantity)?;
            tried.push(Fit { network: network.name.clone(), departures, count });
        }
    }
    diagnosis.searched += tried.len() as u64;
    tried.sort_by_key(|fit| fit.departures.len());
    let mut fits: Vec<Fit> = Vec::new();
    for fit in tried {
        if given.holds(fit.count) {
            // A departure that changes nothing explains nothing.
            let idle = fits.iter().any(|simpler| {
                let within = |d: &&Departure| fit.departures.iter().any(|e| e.name == d.name);
                simpler.count == fit.count && simpler.departures.iter().all(within)
            });
            if !idle {
                fits.push(fit);
            }
        } else {
            let key = |fit: &Fit| (given.distance(fit.count), fit.departures.len());
            if diagnosis.nearest.as_ref().is_none_or(|nearest| key(&fit) < key(nearest)) {
                diagnosis.nearest = Some(fit);
            }
        }
    }
    diagnosis.fits.extend(fits);
    Ok(())
}

/// Whether two are about one thing.
fn clash(departures: &[&Departure]) -> bool {
    let mut pairs = departures.iter().enumerate();
    pairs.any(|(i, one)| departures[..i].iter().any(|other| one.about == other.about))
}

/// All sets of `most` of these at most, in their order, no two of which are about one thing.
fn subsets(of: &[&'static Departure], most: usize) -> Vec<Vec<&'static Departure>> {
    let mut sets = vec![Vec::new()];
    for departure in of {
        for number in 0..sets.len() {
            let set: &Vec<&'static Departure> = &sets[number];
            if set.len() < most && set.iter().all(|other| other.about != departure.about) {
                let with = set.iter().chain([departure]).copied().collect();
                sets.push(with);
            }
        }
    }
    sets
}
