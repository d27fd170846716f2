//! Manual pages (man(7)) of a command and its subcommands, made of what `--help` says.

use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::{Failure, write_atomically};

/// Writes `NAME.1` and `NAME-SUBCOMMAND.1` into a directory, which is made where it is missing.
pub(crate) fn write(command: Command, dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| {
        Failure::machine(format_args!("cannot create `{}`: {error}", dir.display()))
    })?;
    for (name, page) in pages(command) {
        let page = page.map_err(Failure::machine)?;
        write_atomically(&dir.join(name), &page)?;
    }
    Ok(())
}

/// The pages with their files' names, the command's own first.
fn pages(command: Command) -> Vec<(String, io::Result<Vec<u8>>)> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let all = |command: &Command| {
        let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        subcommands.cloned().collect::<Vec<_>>()
    };
    let name = command.get_name().to_owned();
    let source = format!("{name} {}", command.get_version().unwrap_or_default());
    let mut pages = vec![page(command.clone(), &source, None)];
    let subcommands = all(&command).into_iter();
    pages.extend(subcommands.map(|sub| page(sub, &source, Some(&name))));
    pages
}

fn page(mut command: Command, source: &str, parent: Option<&str>) -> (String, io::Result<Vec<u8>>) {
    // All options would stand in the synopsis, and stand below it anyway.
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let command = command.override_usage(usage);
    let man = Man::new(command.clone()).source(source);
    (man.get_filename(), sections(&man, &command, parent))
}

fn sections(man: &Man, command: &Command, parent: Option<&str>) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|option| !option.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::default();
    if let Some(text) = command.get_after_help() {
        notes(&mut roff, &text.to_string());
    }
    if let Some(parent) = parent {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman(format!("{parent}(1)"))]);
    }
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// What stands behind the options in `--help`, in the order of man-pages(7): lines of examples as they are, paragraphs filled.
/// That there are manual pages is known to who reads one.
fn notes(roff: &mut Roff, text: &str) {
    let paragraphs = text.split("\n\n");
    let paragraphs = paragraphs.filter(|paragraph| !paragraph.starts_with("Manual pages: "));
    let begun = |beginning| {
        let paragraphs = paragraphs.clone();
        paragraphs.filter_map(move |paragraph| paragraph.strip_prefix(beginning))
    };
    for status in begun("Exit codes: ") {
        roff.control("SH", ["EXIT STATUS"]);
        roff.text([roman(status.replace('\n', " "))]);
    }
    let others = paragraphs.clone();
    let others =
        others.filter(|text| !text.starts_with("Exit codes:") && !text.starts_with("Examples:"));
    for note in others {
        roff.control("SH", ["NOTES"]);
        roff.text([roman(note.replace('\n', " "))]);
    }
    for examples in begun("Examples:\n") {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn text(name: &str) -> String {
        let command = Command::new("demo")
            .version("1.0")
            .about("Shows")
            .subcommand(
                Command::new("sub")
                    .about("Does")
                    .arg(Arg::new("all").long("all").help("Everything"))
                    .after_help(
                        "Examples:\n  demo sub      once\n  .dot\n\nExit codes: 0 done,\n1 not",
                    ),
            );
        let pages = pages(command);
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["demo.1", "demo-sub.1"]);
        let page = pages.into_iter().find(|(found, _)| found == name).unwrap();
        String::from_utf8(page.1.unwrap()).unwrap()
    }

    #[test]
    fn a_subcommand_has_its_own_page() {
        let page = text("demo-sub.1");
        assert!(page.contains(".TH demo-sub 1"), "{page}");
        assert!(page.contains("\"demo 1.0\""), "{page}");
        assert!(page.contains("Everything"), "{page}");
        assert!(page.contains(".SH \"SEE ALSO\"\ndemo(1)\n"), "{page}");
        assert!(text("demo.1").contains("demo\\-sub(1)"));
    }

    #[test]
    fn examples_keep_their_lines() {
        let page = text("demo-sub.1");
        assert!(
            page.contains(".SH EXAMPLES\n.nf\ndemo sub      once\n\\&.dot\n.fi\n"),
            "{page}"
        );
        assert!(
            page.contains(".SH \"EXIT STATUS\"\n0 done, 1 not\n"),
            "{page}"
        );
    }
}
