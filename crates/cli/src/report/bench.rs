//! The report of `triform bench`: in plain text of 80 columns, as JSON, and as a record.

use serde::Serialize;

use super::json::{entry, object, pretty};
use super::verify::{heading, refuted_forms};
use super::words::{grid, line, paragraph, passage, percent, row, several};
use triform::count;
use triform::error::{Error, Result};
use triform::evidence::any_form::AnyForm;
use triform::evidence::speed::{Record, Row, map_name};
use triform::evidence::verdict::Bound;
use triform::network::zoo;
use triform_bench::{NETWORKS, Plan, Report};

/// The report as JSON: the times, what limits them, and what was refuted before the timing.
pub fn json(report: &Report) -> impl Serialize {
    object! {
        date: &report.date,
        others: report.others,
        roofs: &report.roofs,
        rows: report.rows.iter().chain(&report.networks).collect::<Vec<&Row>>(),
        refuted: report.findings.iter().filter(|finding| finding.refutes()).map(entry).collect::<Vec<_>>(),
        logits_apart: &report.logits_apart,
    }
}

/// The run as a record that can be committed.
pub fn record(report: &Report) -> Result<Record> {
    let roof = report.roofs.first().cloned();
    let missing = || Error::Contradiction("a record without times".to_owned());
    Ok(Record {
        date: report.date.clone(),
        machine: report.machine.clone(),
        roof: roof.ok_or_else(missing)?,
        rows: report.rows.iter().chain(&report.networks).cloned().collect(),
        layers: report.layers.clone(),
    })
}

/// A record as JSON.
pub fn json_of(record: &Record) -> String {
    pretty(record)
}

/// The report in words. `repeat` is the command that repeats the run.
pub fn render(
    report: &Report,
    plan: &Plan,
    forms: &[&dyn AnyForm],
    repeat: &str,
) -> Result<String> {
    let mut text = String::new();
    if report.refutes() {
        checked(&mut text, report);
    } else {
        conclusion(&mut text, report, plan);
        busy(&mut text, report);
        if report.partial {
            let words = match (report.findings.is_empty(), report.rows.is_empty()) {
                (true, _) => "Interrupted before the forms were checked: nothing was timed.",
                (_, true) => "Interrupted before anything was timed to the end.",
                _ => "Interrupted: only the blocks listed below were timed.",
            };
            line(&mut text, words);
        }
        line(&mut text, "");
        blocks(&mut text, report, plan);
        settings(&mut text, report, plan)?;
        networks(&mut text, report)?;
        heading(&mut text, "One block in these forms, timed in turn:", forms);
        checked(&mut text, report);
        machine(&mut text, report);
    }
    line(&mut text, &format!("Repeat: {repeat}"));
    Ok(text)
}

/// Warns that other programs kept the machine busy.
fn busy(text: &mut String, report: &Report) {
    if report.is_busy() && !report.rows.is_empty() {
        let words = format!(
            "This machine was busy: other programs used {:.0}% of its processors. Ratios marked ~ are \
             unreliable; run it again on an idle machine.",
            100.0 * report.others
        );
        paragraph(text, &words);
    }
}

/// Says whether the forms compute the same function.
fn checked(text: &mut String, report: &Report) {
    if report.refutes() {
        refuted_forms(text, &report.findings);
        for network in &report.logits_apart {
            paragraph(text, &format!("The logits of {network} are too far apart in two forms."));
        }
        let words = "NOT the same function: nothing was timed, because the time of a wrong form is \
                     meaningless.";
        return paragraph(text, words);
    }
    if report.findings.is_empty() {
        return;
    }
    let used = report.findings.iter().map(|finding| match finding.bound {
        Bound::Rounding { used_at_cuts, .. } => used_at_cuts,
        _ => 0.0,
    });
    let used = percent(used.fold(0.0, f64::max));
    let blocks = match report.findings.len() {
        1 => "on this block".to_owned(),
        count => format!("on each of {count} blocks"),
    };
    let words = format!(
        "R1 checked the forms first: {blocks} they differ by rounding alone. No layer used more than \
         {used} of the difference that rounding can explain."
    );
    paragraph(text, &words);
}

fn machine(text: &mut String, report: &Report) {
    let (machine, Some(roof)) = (&report.machine, report.roofs.first()) else { return };
    let words = format!(
        "Machine: {}, {}, {}. As measured now, {}: {:.0} GFLOP/s out of registers{}, \
         {:.0} GB/s from memory, {:.0} GB/s from the second-level cache.",
        machine.cpu,
        several(machine.processors, "processor"),
        machine.instructions,
        several(roof.threads, "thread"),
        roof.gflops,
        match roof.threads {
            1 => "",
            threads if threads <= machine.processors =>
                " (the rate of one thread, times their number)",
            _ => " (the rate of one thread, times the processors)",
        },
        roof.memory_gb_s,
        roof.cache_gb_s
    );
    passage(text, &words);
}

/// The shortest time of a block on a map, in one form and with one number of threads.
fn time(rows: &[Row], block: (&str, &str), threads: usize, form: char) -> Option<f64> {
    let is = |row: &&Row| {
        (row.block.as_str(), row.map.as_str()) == block
            && (row.threads, row.form) == (threads, form)
    };
    rows.iter().find(is).map(|row| row.min_ms)
}

/// The ratio of a time to form (c)'s.
fn over_grouped(of: &Row, rows: &[Row]) -> Option<f64> {
    Some(of.min_ms / time(rows, (&of.block, &of.map), of.threads, 'c')?)
}

const HEAD: [&str; 9] =
    ["block", "map", "form", "threads", "min ms", "median ms", "GFLOP/s", "of peak", "/ (c)"];

/// A row as cells. `unsure` marks a ratio that is unreliable.
fn cells(of: &Row, rows: &[Row], unsure: &str) -> Vec<String> {
    let ratio = over_grouped(of, rows);
    let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{unsure}{ratio:.2}"));
    vec![
        of.block.clone(),
        of.map.clone(),
        format!("({})", of.form),
        of.threads.to_string(),
        milliseconds(of.min_ms),
        milliseconds(of.median_ms),
        format!("{:.1}", of.gflops),
        percent(of.share_of_peak),
        ratio,
    ]
}

/// The mark of a ratio that was measured on a busy machine.
fn unsure(report: &Report) -> &'static str {
    if report.is_busy() { "~" } else { "" }
}

/// A time with two decimals, or with four if it is very short.
fn milliseconds(ms: f64) -> String {
    if ms < 0.1 { format!("{ms:.4}") } else { format!("{ms:.2}") }
}

/// The blocks that were asked for, one line per form.
fn blocks(text: &mut String, report: &Report, plan: &Plan) {
    let mut table = vec![row(HEAD)];
    for (spec, map) in &plan.blocks {
        let (name, map) = (spec.name(), map_name(*map));
        let of_block = report.rows.iter().filter(|row| row.block == name && row.map == map);
        table.extend(of_block.map(|row| cells(row, &report.rows, unsure(report))));
    }
    if table.len() == 1 {
        return;
    }
    grid(text, &table, 3);
    let words = "Each time is for one image, with batch norms, ReLU and shortcut; the kernels were \
                 prepared before. GFLOP/s: from the shortest time, with 2 FLOPs per multiply-add and all \
                 taps counted. Of peak: the share of the largest rate measured on this machine, either in \
                 a form or in registers alone. / (c): the shortest time divided by form (c)'s.";
    passage(text, words);
}

/// Time against cardinality, one line for each block and number of threads.
fn settings(text: &mut String, report: &Report, plan: &Plan) -> Result<()> {
    let Some(((first, map), rest)) = plan.settings.split_first() else { return Ok(()) };
    if report.rows.is_empty() {
        return Ok(());
    }
    let on = map_name(*map);
    let time =
        |block: &str, threads: usize, form: char| time(&report.rows, (block, &on), threads, form);
    let mut head = row(["block", "threads", "MMACs"]);
    head.extend(plan.forms.iter().map(|form| format!("({form}) ms")));
    head.extend(plan.forms.iter().map(|form| format!("({form}) / 1st")));
    let mut table = vec![head];
    let base = first.name();
    for roof in &report.roofs {
        for (spec, map) in [(*first, *map)].iter().chain(rest) {
            let (block, macs) = (spec.name(), count::block_work(spec, *map)?.macs.all_taps);
            let times: Option<Vec<(f64, f64)>> = plan
                .forms
                .iter()
                .map(|form| {
                    let (own, before) =
                        (time(&block, roof.threads, *form)?, time(&base, roof.threads, *form)?);
                    Some((own, own / before))
                })
                .collect();
            let Some(times) = times else { continue };
            let macs = format!("{:.1}", macs as f64 / 1e6);
            let mut cells = vec![block, roof.threads.to_string(), macs];
            cells.extend(times.iter().map(|(ms, _)| milliseconds(*ms)));
            cells.extend(times.iter().map(|(_, ratio)| format!("{ratio:.2}")));
            table.push(cells);
        }
    }
    if table.len() == 1 {
        return Ok(());
    }
    let (h, w) = map;
    let words = format!(
        "Time against cardinality at preserved complexity (the paper's Table 2), on a map of {h} x {w}; the \
         blocks are timed in turn. MMACs: millions of multiply-adds. / 1st: the time divided by that of \
         {base} in the same form."
    );
    paragraph(text, &words);
    grid(text, &table, 1);
    line(text, "");
    Ok(())
}

fn networks(text: &mut String, report: &Report) -> Result<()> {
    if report.networks.is_empty() {
        return Ok(());
    }
    let mut table = vec![row(HEAD)];
    table.extend(report.networks.iter().map(|row| cells(row, &report.networks, unsure(report))));
    line(text, "Whole networks, with random weights:");
    grid(text, &table, 3);
    let macs = |network: &str| -> Result<f64> {
        let network = zoo::named(network)?;
        Ok(count::network(&network, network.usual_input())?.total.operations.macs()? as f64)
    };
    let [before, after] = NETWORKS;
    let mut ratios = Vec::new();
    for roof in &report.roofs {
        let time = |network: &str| {
            let is = |row: &&Row| row.block == network && row.threads == roof.threads;
            report.networks.iter().find(is).map(|row| row.min_ms)
        };
        if let Some((before, after)) = time(before).zip(time(after)) {
            ratios.push(format!("{:.2} on {}", after / before, several(roof.threads, "thread")));
        }
    }
    let words = format!(
        "The time of {after}, divided by that of {before}: {}. It has {:.2} times the multiply-adds.",
        ratios.join(", "),
        macs(after)? / macs(before)?
    );
    passage(text, &words);
    Ok(())
}

/// Compares the other forms with (c), in ratios.
fn conclusion(text: &mut String, report: &Report, plan: &Plan) {
    let blocks: Vec<String> = plan.blocks.iter().map(|(spec, _)| spec.name()).collect();
    let mut sentences = Vec::new();
    for form in plan.forms.iter().filter(|form| **form != 'c') {
        let of_form = report.rows.iter().filter(|row| row.form == *form);
        let of_form = of_form.filter(|row| blocks.contains(&row.block));
        let ratio = |row: &Row| over_grouped(row, &report.rows);
        let mut ratios: Vec<f64> = of_form.filter_map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else { continue };
        let [least, most] = [least, most].map(|ratio| format!("{ratio:.2}"));
        let times = if least == most { least } else { format!("{least} to {most}") };
        sentences.push(format!("form ({form}) takes {times} times as long as form (c)"));
    }
    if !sentences.is_empty() {
        let words =
            format!("On this machine, {}. All compute the same function.", sentences.join(", "));
        paragraph(text, &words);
    }
}
