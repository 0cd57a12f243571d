//! `triform completions`: shell completions and the manual page.

use super::args::{self, CompletionsOptions};
use super::error::{Error, Result};
use super::{Context, HOLDS};

/// Writes the completions for a shell, or the manual page with all commands.
pub(super) fn run(options: &CompletionsOptions, context: &mut Context<'_>) -> Result<u8> {
    let mut text = Vec::new();
    match options.shell {
        Some(shell) => clap_complete::generate(shell, &mut args::command(), "triform", &mut text),
        None => manual(&mut text).map_err(|source| Error::Io {
            action: "write",
            path: "the manual page".into(),
            source,
        })?,
    }
    context.write(&String::from_utf8_lossy(&text))?;
    Ok(HOLDS)
}

/// The program's page, followed by the pages of its commands.
fn manual(text: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = args::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(text)?;
    for each in command.get_subcommands().filter(|each| each.get_name() != "help") {
        let man = clap_mangen::Man::new(each.clone());
        man.render_name_section(text)?;
        man.render_synopsis_section(text)?;
        man.render_options_section(text)?;
        man.render_extra_section(text)?;
    }
    Ok(())
}
