//! `triform cases`, `check`, `grade` and `adequacy`: judging what others hand in.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::args::{AdequacyOptions, CasesOptions, CheckOptions, GradeOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::folder::{self, Handout, Origin, Staged};
use super::input::whole;
use super::{Context, HOLDS, INTERRUPTED, REFUTED, onnx, progress};
use crate::report::check as report;
use crate::report::json::{self, Outcome};
use triform::check::adequacy::{adequacy as which_are_seen, smallest};
use triform::check::{Case, Plan, Report, judge};
use triform::random::Seed;

/// The longest secret, in bytes. A longer one is another file by mistake.
const LONGEST_SECRET: u64 = 1 << 20;

/// Writes a suite of cases into a folder.
pub(super) fn cases(options: &CasesOptions, context: &mut Context<'_>) -> Result<u8> {
    let (seed, origin) = match &options.secret {
        Some(path) => {
            let too_long = |why| Error::Folder { path: path.clone(), why };
            let secret = whole(path, LONGEST_SECRET, too_long)?;
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
    let folders = [Some(&options.cases), options.outputs.as_ref()];
    for folder in folders.into_iter().flatten() {
        not_inside(options.json.json.as_ref(), folder)?;
    }
    let target = Target::open(options.json.json.as_ref())?;
    let cases = folder::read_certified(&options.cases)?;
    let (name, report, ended) = match (&options.outputs, &options.run) {
        (Some(outputs), None) => {
            if !outputs.is_dir() {
                let why = "it is not a folder of outputs".to_owned();
                return Err(Error::Folder { path: outputs.clone(), why });
            }
            let report = of_folder(&cases, (outputs, true), context.interrupted)?;
            (printable(outputs), report, None)
        }
        (None, Some(command)) => {
            let limit = Duration::from_secs(options.timeout);
            let program = (command.as_str(), None);
            let handout = Handout::read(&options.cases, &cases)?;
            let (report, ended) =
                of_program(&cases, &handout, program, limit, context.interrupted)?;
            (printable(Path::new(command)), report, ended)
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
    // A program that failed is not right, even if its outputs are.
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

/// Refuses a report inside a folder that is judged, where it could replace a file.
fn not_inside(destination: Option<&Destination>, folder: &Path) -> Result<()> {
    let Some(path) = destination.and_then(Destination::path) else { return Ok(()) };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (fs::canonicalize(parent), fs::canonicalize(folder)) {
        (Ok(parent), Ok(real)) if parent.starts_with(&real) => {
            let (path, folder) = (path.display(), folder.display());
            Err(Error::Usage(format!(
                "the report {path} would lie inside {folder}, which is judged; name a file elsewhere"
            )))
        }
        _ => Ok(()),
    }
}

/// A path or command without control characters, which could change what a terminal shows.
fn printable(path: &Path) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_debug().to_string(),
        false => c.to_string(),
    };
    path.display().to_string().chars().map(escaped).collect()
}

/// Judges the outputs in a folder. `links` says whether the files may be links.
fn of_folder(
    cases: &[Case],
    (outputs, links): (&Path, bool),
    interrupted: &AtomicBool,
) -> Result<Report> {
    Ok(judge(cases, |case| match interrupted.load(Ordering::Relaxed) {
        // Nobody will see this report. What is missing is judged at once.
        true => Err("interrupted".to_owned()),
        false => folder::handed(outputs, case, links),
    })?)
}

/// Runs a program on the cases and judges what it wrote. Like [`run`], also says how the program ended. A submission
/// becomes the program's first argument, and the program's messages are kept.
fn of_program(
    cases: &[Case],
    handout: &Handout,
    (command, submission): (&str, Option<&Path>),
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<(Report, Option<String>)> {
    let outputs = tempfile::tempdir().map_err(|source| Error::Io {
        action: "write to",
        path: std::env::temp_dir(),
        source,
    })?;
    let copy = handout.write()?;
    let folders = [copy.path(), outputs.path()];
    let arguments: Vec<&Path> = submission.into_iter().chain(folders).collect();
    let ended = run(command, &arguments, limit, interrupted, submission.is_some())?;
    Ok((of_folder(cases, (outputs.path(), false), interrupted)?, ended))
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
    let mut child = program.spawn().map_err(|error| {
        let here = Path::new(&words[0]).is_file() && !words[0].contains('/');
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound if here => {
                format!("; to run the file in the current folder, write ./{}", words[0])
            }
            _ => String::new(),
        };
        failed(format!("{error}{hint}"))
    })?;
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => {
                // What it has started in the background must not go on writing.
                end(&mut child);
                let said = messages.as_mut().map(telling_line).filter(|line| !line.is_empty());
                let said = said.map_or(String::new(), |line| format!(": {line}"));
                return Ok((!status.success()).then(|| format!("ended with {status}{said}")));
            }
            None if interrupted.load(Ordering::Relaxed) => {
                end(&mut child);
                return Ok(Some("was interrupted".to_owned()));
            }
            None if messages.as_ref().is_some_and(is_too_long) => {
                end(&mut child);
                return Ok(Some(format!("was stopped after it had printed {MOST_PRINTED} bytes")));
            }
            None if started.elapsed() >= limit => {
                end(&mut child);
                return Ok(Some(format!("was stopped after {} s", limit.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The most bytes that a submission may print. More would only fill the disk.
const MOST_PRINTED: u64 = 64 << 20;

fn is_too_long(messages: &fs::File) -> bool {
    messages.metadata().is_ok_and(|metadata| metadata.len() > MOST_PRINTED)
}

/// The line of a program's messages that says most: the last one about an error, or the last one.
fn telling_line(file: &mut fs::File) -> String {
    const ENOUGH: u64 = 4096;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)));
    if read.and_then(|_| file.take(ENOUGH).read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().rfind(|line| line.to_ascii_lowercase().contains("error"));
    let line = error.or_else(|| lines().next_back()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Ends a program and the processes that it started, but not those that left its process group.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// Judges the submissions of a class.
pub(super) fn grade(options: &GradeOptions, context: &mut Context<'_>) -> Result<u8> {
    for destination in [options.json.json.as_ref(), options.csv.as_ref()] {
        not_inside(destination, &options.cases)?;
    }
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
    let handout = Handout::read(&options.cases, &cases)?;
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
                let row = match one(&cases, &handout, submission, options, interrupted) {
                    // The teacher's command is the same for all submissions. If it cannot be run, no grading is possible.
                    Err(error @ Error::Run { .. }) if rows.is_empty() => return Err(error),
                    judged => report::Unscored::new(&printable(submission), judged.map_err(reason)),
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
                    let judged = one(&cases, &handout, submission, options, interrupted);
                    report::Unscored::new(&printable(submission), judged.map_err(reason))
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
    handout: &Handout,
    submission: &Path,
    options: &GradeOptions,
    interrupted: &AtomicBool,
) -> Result<(Report, Option<String>)> {
    let Some(command) = &options.run else {
        if !submission.is_dir() {
            let why = "it is not a folder of outputs".to_owned();
            return Err(Error::Folder { path: submission.to_owned(), why });
        }
        return Ok((of_folder(cases, (submission, false), interrupted)?, None));
    };
    let limit = Duration::from_secs(options.timeout);
    of_program(cases, handout, (command, Some(submission)), limit, interrupted)
}

/// Says which known mistakes a test with these cases and this rule would miss.
pub(super) fn adequacy(options: &AdequacyOptions, context: &mut Context<'_>) -> Result<u8> {
    not_inside(options.json.json.as_ref(), &options.cases)?;
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
    let (all, rule) = (cases.len(), options.rule);
    let mut found = report::Adequacy { cases: all, rule, rows, catches, kept: 0, added: 0 };
    if let Some(folder) = &options.add
        && !found.catches.is_empty()
    {
        // The test may already have such a case, if its rule accepts the mistake there.
        let is_new = |case: &&Case| cases.iter().all(|known| known.name != case.name);
        let new: Vec<Case> = found.catches.iter().filter(is_new).cloned().collect();
        // `check` must be able to read the folder.
        let kept: Vec<Case> = cases.iter().filter(|case| case.certify().is_ok()).cloned().collect();
        (found.kept, found.added) = (kept.len(), new.len());
        folder::write(folder, &[kept, new].concat(), &Origin::Elsewhere)?;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::folder::{self, Origin};
    use crate::REFUTED;
    use triform::check::{Kind, Operation, Ops, Plan, cases};

    /// A case with gradients on numbers that are not integers has no exact answer. So `--add` leaves it out, and
    /// `check` accepts the folder.
    #[test]
    fn added_cases_can_be_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let plan =
            Plan { ops: Ops::Conv, kinds: vec![Kind::Gradients], quick: true, ..Plan::default() };
        let mut two = cases(&plan).expect("cases");
        two.truncate(2);
        let Operation::Conv(conv) = &mut two[0].operation else { panic!("a convolution") };
        conv.x.mapv_inplace(|x| x + 0.5);
        folder::write(&path("two"), &two, &Origin::Elsewhere).expect("a folder of cases");
        let run = |words: &[&str]| {
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let arguments = words.iter().map(std::ffi::OsString::from);
            let ended = AtomicBool::new(false);
            let status = crate::run(arguments, &[], &mut output, false, &mut errors, &ended);
            (status, String::from_utf8_lossy(&[output, errors].concat()).into_owned())
        };
        let [from, more] = [path("two"), path("more")];
        let [from, more] = [&from, &more].map(|path| path.to_str().expect("ASCII"));
        let (status, words) =
            run(&["triform", "adequacy", from, "--rule", "sum:1,1e9", "--add", more]);
        assert_eq!(status, REFUTED, "{words}");
        assert!(words.contains("Wrote 1 of the test's 2 cases and "), "{words}");
        assert!(words.contains("The others are left out"), "{words}");
        let (status, words) = run(&["triform", "check", from, from]);
        assert!(status == crate::BAD_INPUT && words.contains("not an integer"), "{words}");
        let (status, words) = run(&["triform", "check", more, more]);
        assert!(status == REFUTED && words.contains("is incomplete"), "{words}");
    }
}
