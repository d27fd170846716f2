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
    let name = command.get_name().to_owned();
    let source = format!("{name} {}", command.get_version().unwrap_or_default());
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let subcommands: Vec<Command> = subcommands.cloned().collect();
    let names: Vec<String> = subcommands
        .iter()
        .map(|sub| format!("{name}-{}", sub.get_name()))
        .collect();
    let mut pages = vec![page(command, &source, &names)];
    let parent = [name];
    pages.extend(
        subcommands
            .into_iter()
            .map(|sub| page(sub, &source, &parent)),
    );
    pages
}

fn page(mut command: Command, source: &str, see_also: &[String]) -> (String, io::Result<Vec<u8>>) {
    // All options would stand in the synopsis, and stand below it anyway.
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let command = command.override_usage(usage);
    let man = Man::new(command.clone());
    let file = man.get_filename();
    let name = file.trim_end_matches(".1");
    // clap_mangen writes no quotes around an empty date, so that what follows it takes its place.
    let mut page =
        format!(".TH \"{name}\" \"1\" \"\" \"{source}\" \"User Commands\"\n").into_bytes();
    let written = sections(&man, &command, see_also, &mut page);
    (file, written.map(|()| ascii(&page)))
}

fn sections(
    man: &Man,
    command: &Command,
    see_also: &[String],
    page: &mut Vec<u8>,
) -> io::Result<()> {
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|option| !option.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let mut roff = Roff::default();
    if let Some(text) = command.get_after_help() {
        notes(&mut roff, &text.to_string());
    }
    if let Some((last, others)) = see_also.split_last() {
        roff.control("SH", ["SEE ALSO"]);
        for name in others {
            roff.control("BR", [name, "(1),"]);
        }
        roff.control("BR", [last, "(1)"]);
    }
    roff.to_writer(page)
}

/// A page in ASCII, as groff wants it that is not told of another encoding: `\[u2026]` for `…`.
fn ascii(page: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for character in String::from_utf8_lossy(page).chars() {
        match character {
            '\0'..='\x7f' => out.push(character),
            other => out += &format!("\\[u{:04X}]", u32::from(other)),
        }
    }
    out.into_bytes()
}

/// What stands behind the options in `--help`, in the order of man-pages(7): lines of examples as they are, paragraphs filled.
/// That there are manual pages is known to who reads one.
fn notes(roff: &mut Roff, text: &str) {
    let (mut status, mut notes, mut examples) = (Vec::new(), Vec::new(), Vec::new());
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(':') {
            Some(("Examples", lines)) => examples.extend(lines.lines().skip(1)),
            Some(("Exit codes", rest)) => status.push(rest.trim_start()),
            Some(("Manual pages", _)) => {}
            _ => notes.push(paragraph),
        }
    }
    for (heading, paragraphs) in [("EXIT STATUS", status), ("NOTES", notes)] {
        for (number, paragraph) in paragraphs.iter().enumerate() {
            match number {
                0 => roff.control("SH", [heading]),
                _ => roff.control("PP", []),
            };
            roff.text([roman(paragraph.replace('\n', " "))]);
        }
    }
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples {
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
                    .arg(Arg::new("all").long("all").help("Everything …"))
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
        let title = ".TH \"demo-sub\" \"1\" \"\" \"demo 1.0\" \"User Commands\"\n";
        assert!(page.starts_with(title), "{page}");
        assert!(page.contains("Everything \\[u2026]"), "{page}");
        assert!(page.contains(".SH \"SEE ALSO\"\n.BR demo (1)\n"), "{page}");
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
