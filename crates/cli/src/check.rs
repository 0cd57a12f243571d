//! `triform cases`, `check`, `grade` and `adequacy`: judging what others hand in.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::args::{AdequacyOptions, CasesOptions, CheckOptions, GradeOptions};
use super::destination::Target;
use super::error::{Error, Result};
use super::folder::{self, Origin, Staged};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, onnx, progress};
use crate::report::check as report;
use crate::report::json::{self, Outcome};
use triform::check::adequacy::{adequacy as which_are_seen, smallest};
use triform::check::{Case, Plan, Report, judge};
use triform::random::Seed;

/// Writes a suite of cases into a folder.
pub(super) fn cases(options: &CasesOptions, context: &mut Context<'_>) -> Result<u8> {
    let (seed, origin) = match &options.secret {
        Some(path) => {
            let secret = fs::read(path).map_err(|source| Error::Io {
                action: "read",
                path: path.clone(),
                source,
            })?;
            if secret.len() < 8 {
                let words = format!(
                    "--secret {}: the file has {} bytes, which can be guessed; it needs at least 8",
                    path.display(),
                    secret.len()
                );
                return Err(Error::Usage(words));
            }
            // The seed is part of the secret's digest. Only the digest of that digest is published.
            let digest = hmac_sha256::Hash::hash(&secret);
            let [a, b, c, d, e, f, g, h, ..] = digest;
            let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            (seed, Origin::Secret(hmac_sha256::Hash::hash(&digest)))
        }
        None => (options.seed.seed.0, Origin::Seed(options.seed.seed.0)),
    };
    let kinds = match options.kind.is_empty() {
        true => Plan::default().kinds,
        false => options.kind.clone(),
    };
    let plan = Plan { seed: Seed(seed), ops: options.op, kinds, quick: options.quick };
    let cases = triform::check::cases(&plan)?;
    if cases.is_empty() {
        let words = "no such cases exist: a convolution has no training mode".to_owned();
        return Err(Error::Usage(words));
    }
    let suite = match &options.onnx {
        Some(folder) => Some(suite(folder, &options.out, &cases)?),
        None => None,
    };
    if context.interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    folder::write(&options.out, &cases, &origin)?;
    suite.map(Staged::finish).transpose()?;
    let text = report::written(&options.out, &cases, options.onnx.as_deref());
    context.print(&text)?;
    Ok(HOLDS)
}

/// Writes the cases as an ONNX suite. The caller must finish it.
fn suite(folder: &Path, out: &Path, cases: &[Case]) -> Result<Staged> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (suite, cases_in) = (absolute(folder), absolute(out));
    // A folder inside the other would be in the way when the outer one is put in its place.
    if suite.starts_with(&cases_in) || cases_in.starts_with(&suite) {
        let words = "the folders of --out and --onnx must not contain each other".to_owned();
        return Err(Error::Usage(words));
    }
    if !cases.iter().any(onnx::can_say) {
        let words = "none of these cases can be an ONNX model; only the kinds integers, floats and \
                     specials can";
        return Err(Error::Usage(words.to_owned()));
    }
    onnx::suite(folder, cases)
}

/// Judges outputs: those in a folder, or those that a program writes.
pub(super) fn check(options: &CheckOptions, context: &mut Context<'_>) -> Result<u8> {
    let target = Target::open(options.json.json.as_ref())?;
    let cases = folder::read_certified(&options.cases)?;
    let (name, report, ended) = match (&options.outputs, &options.run) {
        (Some(outputs), None) => {
            if !outputs.is_dir() {
                let why = "it is not a folder of outputs".to_owned();
                return Err(Error::Folder { path: outputs.clone(), why });
            }
            let report = of_folder(&cases, outputs, context.interrupted)?;
            (outputs.display().to_string(), report, None)
        }
        (None, Some(command)) => {
            let limit = Duration::from_secs(options.timeout);
            let program = (command.as_str(), None);
            let (report, ended) =
                of_program(&cases, &options.cases, program, limit, context.interrupted)?;
            (command.clone(), report, ended)
        }
        _ => {
            let words = "name the folder of outputs, or a program with --run COMMAND".to_owned();
            return Err(Error::Usage(words));
        }
    };
    if context.interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    let command = context.command.clone();
    // Outputs of a program that failed are not trusted, even if they are right.
    let verdict = match (report.verdict(), &ended) {
        ("agree" | "rounds", Some(_)) => "incomplete",
        (verdict, _) => verdict,
    };
    let words = || {
        let failed =
            |ended: &String| format!("The program {ended}, so its work is incomplete.\n\n");
        Ok(ended.as_ref().map_or(String::new(), failed) + &report::words(&report, &name))
    };
    let json = || {
        let outcome = Outcome { verdict: Some(verdict), partial: false, machine: None };
        let commitment = folder::commitment(&cases);
        Ok(json::envelope(&command, outcome, report::json(&report, ended.as_deref(), commitment)))
    };
    target.report(context, words, json)?;
    Ok(if verdict == "agree" { HOLDS } else { REFUTED })
}

fn of_folder(cases: &[Case], outputs: &Path, interrupted: &AtomicBool) -> Result<Report> {
    Ok(judge(cases, |case| match interrupted.load(Ordering::Relaxed) {
        // Nobody will see this report. What is missing is judged at once.
        true => Err("interrupted".to_owned()),
        false => folder::handed(outputs, case),
    })?)
}

/// Runs a program on the cases and judges what it wrote. Like [`run`], also says how the program ended. A submission
/// becomes the program's first argument, and the program's messages are kept.
fn of_program(
    cases: &[Case],
    folder: &Path,
    (command, submission): (&str, Option<&Path>),
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<(Report, Option<String>)> {
    let outputs = tempfile::tempdir().map_err(|source| Error::Io {
        action: "write to",
        path: std::env::temp_dir(),
        source,
    })?;
    // A copy of the cases, so that the program cannot change what it or the next one is judged by.
    let copy = folder::copy(folder)?;
    let folders = [copy.path(), outputs.path()];
    let arguments: Vec<&Path> = submission.into_iter().chain(folders).collect();
    let ended = run(command, &arguments, limit, interrupted, submission.is_some())?;
    Ok((of_folder(cases, outputs.path(), interrupted)?, ended))
}

/// Runs a program, with these arguments after those in `command`. If the program did not end well, returns in words how
/// it ended.
fn run(
    command: &str,
    arguments: &[&Path],
    limit: Duration,
    interrupted: &AtomicBool,
    keep_messages: bool,
) -> Result<Option<String>> {
    let failed = |why: String| Error::Run { command: command.to_owned(), why };
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words =
        words.ok_or_else(|| failed("it is empty, or a quote in it is not closed".to_owned()))?;
    let mut program = Command::new(&words[0]);
    program.args(&words[1..]).args(arguments).stdin(Stdio::null());
    // Standard output is for the report.
    program.stdout(Stdio::from(std::io::stderr()));
    let mut messages = match keep_messages {
        true => Some(tempfile::tempfile().map_err(|error| failed(error.to_string()))?),
        false => None,
    };
    if let Some(file) = &messages {
        let both = [file.try_clone(), file.try_clone()];
        let [stdout, stderr] = both.map(|file| file.map_err(|error| failed(error.to_string())));
        program.stdout(stdout?).stderr(stderr?);
    }
    // A process group of its own, so that whatever it starts can be ended with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut program, 0);
    let mut child = program.spawn().map_err(|error| failed(error.to_string()))?;
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => {
                // What it has started in the background must not go on writing.
                end(&mut child);
                let said = messages.as_mut().map(last_line).filter(|line| !line.is_empty());
                let said = said.map_or(String::new(), |line| format!(": {line}"));
                return Ok((!status.success()).then(|| format!("ended with {status}{said}")));
            }
            None if interrupted.load(Ordering::Relaxed) => {
                end(&mut child);
                return Ok(Some("was interrupted".to_owned()));
            }
            None if started.elapsed() >= limit => {
                end(&mut child);
                return Ok(Some(format!("was stopped after {} s", limit.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The last non-empty line that a program printed.
fn last_line(file: &mut fs::File) -> String {
    const ENOUGH: u64 = 4096;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)));
    if read.and_then(|_| file.take(ENOUGH).read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Ends a program and the processes that it started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// Judges the submissions of a class.
pub(super) fn grade(options: &GradeOptions, context: &mut Context<'_>) -> Result<u8> {
    let to_json = Target::open(options.json.json.as_ref())?;
    let to_csv = Target::open(options.csv.as_ref())?;
    if to_json.is_output() && to_csv.is_output() {
        return Err(Error::Usage(
            "--json and --csv cannot both write to standard output".to_owned(),
        ));
    }
    if options.run.is_none() && options.submissions.iter().all(|path| path.is_file()) {
        let words = "the submissions are files; to run them, name the program, as in --run python3";
        return Err(Error::Usage(words.to_owned()));
    }
    let cases = folder::read_certified(&options.cases)?;
    let points = match &options.points {
        Some(path) => report::Points::read(path, &cases)?,
        None => report::Points::even(&cases),
    };
    let gradescope = options.gradescope.as_deref().map(Staged::new).transpose()?;
    let interrupted = context.interrupted;
    let judged = progress::with_bar(context, |bar| -> Result<_> {
        let mut rows = Vec::new();
        let all = options.submissions.len();
        // Programs run one after the other, so that each has the machine to itself. Files are judged on all
        // cores.
        if options.run.is_some() {
            for (at, submission) in options.submissions.iter().enumerate() {
                bar.step(at, all, &submission.display().to_string());
                if interrupted.load(Ordering::Relaxed) {
                    break;
                }
                let row = match one(&cases, submission, options, interrupted) {
                    // The teacher's command is the same for all submissions. If it cannot be run, no grading is possible.
                    Err(error @ Error::Run { .. }) if rows.is_empty() => return Err(error),
                    judged => report::Unscored::new(submission, judged.map_err(reason)),
                };
                if !interrupted.load(Ordering::Relaxed) {
                    rows.push(row);
                }
            }
        } else {
            bar.step(0, all, "submissions");
            rows = options
                .submissions
                .par_iter()
                .filter(|_| !interrupted.load(Ordering::Relaxed))
                .map(|submission| {
                    let judged = one(&cases, submission, options, interrupted);
                    report::Unscored::new(submission, judged.map_err(reason))
                })
                .collect();
        }
        Ok(rows)
    })?;
    let partial = judged.len() < options.submissions.len();
    let graded: Vec<report::Graded> = judged.into_iter().map(|row| row.scored(&points)).collect();
    let command = context.command.clone();
    let json = || {
        let verdict = Some(if partial { "unfinished" } else { "graded" });
        let outcome = Outcome { verdict, partial, machine: None };
        Ok(json::envelope(&command, outcome, report::graded_json(&graded, &points)))
    };
    let csv = || Ok(report::graded_csv(&graded));
    if to_csv.is_output() {
        context.write(&csv()?)?;
        to_json.write(json)?;
    } else {
        to_json.report(context, || Ok(report::graded_words(&graded, &points)), json)?;
        to_csv.write(csv)?;
    }
    // The table is out, whatever becomes of the folder.
    if let Some(folder) = gradescope.filter(|_| !partial) {
        for (name, row) in report::file_names(&graded).into_iter().zip(&graded) {
            folder.write(&format!("{name}/results.json"), row.gradescope().as_bytes())?;
        }
        folder.finish()?;
    }
    Ok(if partial { INTERRUPTED } else { HOLDS })
}

/// Why a submission has no verdict. The path is left out, since the row already names the submission.
fn reason(error: Error) -> String {
    match error {
        Error::Folder { why, .. } => why,
        error => error.to_string(),
    }
}

/// Judges one submission. Also says how its program ended, if it did not end well.
fn one(
    cases: &[Case],
    submission: &Path,
    options: &GradeOptions,
    interrupted: &AtomicBool,
) -> Result<(Report, Option<String>)> {
    let Some(command) = &options.run else {
        if !submission.is_dir() {
            let why = "it is not a folder of outputs".to_owned();
            return Err(Error::Folder { path: submission.to_owned(), why });
        }
        return Ok((of_folder(cases, submission, interrupted)?, None));
    };
    let limit = Duration::from_secs(options.timeout);
    of_program(cases, &options.cases, (command, Some(submission)), limit, interrupted)
}

/// Says which known mistakes a test with these cases and this rule would miss.
pub(super) fn adequacy(options: &AdequacyOptions, context: &mut Context<'_>) -> Result<u8> {
    let target = Target::open(options.json.json.as_ref())?;
    let cases = folder::read(&options.cases)?;
    if let Some(folder) = &options.add {
        // An unusable folder is reported before the work.
        Staged::new(folder)?;
    }
    let rows = which_are_seen(&cases, options.rule)?;
    let missed = rows.iter().filter(|row| row.seen.is_missed());
    let interrupted = || context.interrupted.load(Ordering::Relaxed);
    let catches: Vec<Case> = missed
        .clone()
        .filter(|row| row.op == "conv" && !interrupted())
        .filter_map(|row| smallest(row.name, options.rule))
        .collect();
    let missed = missed.count();
    if interrupted() {
        return Ok(INTERRUPTED);
    }
    let mut found =
        report::Adequacy { cases: cases.len(), rule: options.rule, rows, catches, added: 0 };
    if let Some(folder) = &options.add
        && !found.catches.is_empty()
    {
        // The test may already have such a case, if its rule accepts the mistake there.
        let is_new = |case: &&Case| cases.iter().all(|known| known.name != case.name);
        let new: Vec<Case> = found.catches.iter().filter(is_new).cloned().collect();
        found.added = new.len();
        folder::write(folder, &[cases, new].concat(), &Origin::Elsewhere)?;
    }
    let command = context.command.clone();
    let words = || Ok(report::adequacy_words(&found, options.add.as_deref()));
    let json = || {
        let verdict = if missed == 0 { "adequate" } else { "misses" };
        let outcome = Outcome { verdict: Some(verdict), partial: false, machine: None };
        Ok(json::envelope(&command, outcome, report::adequacy_json(&found)))
    };
    target.report(context, words, json)?;
    Ok(if missed == 0 { HOLDS } else { REFUTED })
}
