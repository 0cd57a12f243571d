//! What people expect of a program on a terminal: help with examples, suggestions, colour, quiet,
//! completions, a manual page.

use std::fs;

use crate::kit::{printed, right, root, run_with, text, triform};

/// The examples in the `--help` of the program and of each command.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    let commands = "verify refute explain count diagnose forward train cases check grade adequacy \
                    bench init plot completions";
    for command in std::iter::once("").chain(commands.split(' ')) {
        let help = printed(&format!("{command} --help"));
        let (_, after) = help.split_once("Examples:\n").expect(command);
        let mut of_this: Vec<String> = after
            .lines()
            .map_while(|line| line.strip_prefix("  triform").map(|line| line.trim().to_owned()))
            .collect();
        assert_eq!(of_this.len(), 3, "{command}: {help}");
        examples.append(&mut of_this);
    }
    examples
}

/// Every example is a valid command: with `--help` appended, it is parsed and not run.
#[test]
fn every_command_has_three_examples() {
    let examples = examples();
    assert_eq!(examples.len(), 48);
    for example in examples {
        let output = triform(&format!("{example} --help"));
        assert_eq!(output.status.code(), Some(0), "{example}: {}", text(&output.stderr));
    }
}

#[test]
fn help_has_headings() {
    let help = printed("verify --help");
    for heading in ["One block:", "A network:", "Output:"] {
        assert!(help.contains(&format!("\n{heading}\n")), "{help}");
    }
}

/// Reports are coloured if `--color always` asks for it. Otherwise they are not, because the output is not a terminal.
#[test]
fn colour_is_for_terminals() {
    const BLOCK: &str = "verify --block 8x2x2 --map 4x5 --rung R3 --cases 2";
    let coloured = |command: &str| printed(command).contains('\u{1b}');
    assert!(!coloured(BLOCK));
    assert!(coloured(&format!("{BLOCK} --color always")));
    assert!(!coloured(&format!("{BLOCK} --color never")));
    // JSON is never coloured.
    assert!(!coloured(&format!("{BLOCK} --color always --json")));
}

#[test]
fn quiet_leaves_the_status() {
    for (command, status) in [
        ("verify --block 8x2x2 --map 4x5 --rung R3 --cases 2 --quiet", 0),
        ("diagnose 70145 -q", 1),
        ("--quiet count resnet18", 0),
    ] {
        let output = triform(command);
        assert_eq!(output.status.code(), Some(status), "{command}: {}", text(&output.stderr));
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "{command}");
    }
    let output = triform("count resnet51 --quiet");
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.is_empty(), "an error is told");
}

#[test]
fn rungs_are_named_by_ranges() {
    let rungs = |command: &str| -> Vec<String> {
        let (status, output, errors) = run_with(&right(), command, false);
        assert_eq!((status, errors.as_str()), (0, ""), "{command}");
        let first = |line: &str| line.split(' ').next().unwrap().to_owned();
        output.lines().filter(|line| line.starts_with('R')).map(first).collect()
    };
    let block = "verify --block 8x2x2 --map 4x5 --cases 2";
    assert_eq!(rungs(&format!("{block} --rung R1-R3"))[..3], ["R1", "R2", "R3"]);
    assert_eq!(rungs(&format!("{block} --rung r7,R2-R3"))[..3], ["R2", "R3", "R7"]);
}

/// The committed completions and manual page are what the program writes; `INSTA_UPDATE=always` rewrites them.
#[test]
fn completions_and_manual_are_current() {
    for (shell, file) in [
        ("bash", "triform.bash"),
        ("zsh", "_triform"),
        ("fish", "triform.fish"),
        ("man", "triform.1"),
    ] {
        let path = root().join("crates/cli/completions").join(file);
        let made = printed(&format!("completions {shell}"));
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            fs::write(&path, &made).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == made, "{file} is stale");
        for command in ["verify", "refute", "diagnose"] {
            assert!(made.contains(command), "{shell}: {command}");
        }
    }
}
