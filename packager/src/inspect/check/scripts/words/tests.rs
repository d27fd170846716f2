//! Scripts as people write them: what they call is found, and nothing else is taken for a call.

use super::*;

fn of(script: &str) -> Vec<&str> {
    Calls::of(script).commands.into_iter().collect()
}

#[test]
fn the_first_word_of_each_command_counts() {
    for (script, commands) in [
        ("mount -t proc proc /proc\n", "mount"),
        ("a; b && c || d | e & f", "a b c d e f"),
        (
            "if a; then b; else c; fi; while d; do e; done",
            "a b c d done e fi",
        ),
        ("if ! a && ! b | c; then :; fi", "a b c fi"),
        ("( a ) ; { b; }; ! c", "a b c"),
        ("X=1 Y=\"$(a b)\" c d", "a c"),
        ("X=`a` Y=$Z W+=1 b", "a b"),
        ("a &&\n  b ||\n  c | \\\n  d \\\n  e", "a b c d"),
        ("a &>/dev/null b\nc", "a c"),
        ("a b'c\nd'e\nf", "a f"),
    ] {
        assert_eq!(of(script).join(" "), commands, "{script}");
    }
}

#[test]
fn quotes_around_the_whole_name_change_nothing() {
    for (script, commands) in [
        ("\"mount\" a; 'umount' b; \\cp c", "cp mount umount"),
        ("\"/sbin/a\" b; '/sbin/c'", "/sbin/a /sbin/c"),
        // Names of the grammar are commands then.
        ("\"if\" a; 'exec' b; \"env\" c", "b c env exec if"),
        // Not around the whole, or something expands.
        (
            "\"a\"b; 'c''d'; \"$e\"; \"f g\"; ''; \"\"; 'h;i'; \"`j`\"",
            "j",
        ),
        ("a '\"b\"' \"'c'\"; '\"d\"'", "a"),
        // Patterns, subjects and tests are none.
        ("case \"a\" in \"b\"|'c') d;; \"e\") ;; esac", "d"),
        ("[ \"a\" = \"b\" ] || [ 'c' ] && d", "d"),
        ("[[ a == \"b\" || \"c\" == d && ( e < f ) ]] && g", "g"),
        ("[[ $a =~ ^(b|c)$ ]]; d", "d"),
    ] {
        assert_eq!(of(script).join(" "), commands, "{script}");
    }
}

#[test]
fn substitutions_are_looked_into() {
    for (script, commands) in [
        ("a `b c` \"`d`\" $(e; f) \"$(g | h)\"", "a b d e f g h"),
        ("`a; b`", "a b"),
        ("a \"$(b \"$(c)\" `d`)\"", "a b c d"),
        ("a \"${b:-$(c)}\" ${d:-`e`}", "a c e"),
        ("a \"${b:-don't}\"; c \"it's\"; d", "a c d"),
        ("a \"${b#'}'}\"; c", "a c"),
        ("a $'it\\'s'; b", "a b"),
        ("for x in $(a); do b; done", "a b done for"),
        ("a $(case x in y) b;; esac) c", "a b"),
        ("a $(( b + $(c) )) && d", "a d"),
        // What is quoted once more, and what is not closed, is passed over.
        ("a `b \\`c\\``; d", "a d"),
        ("a ' `b` $(c)'", "a"),
        ("a \\`b\\`", "a"),
    ] {
        assert_eq!(of(script).join(" "), commands, "{script}");
    }
}

#[test]
fn commands_that_start_others_are_gone_through() {
    for (script, commands) in [
        ("exec a b", "a exec"),
        ("exec </dev/console >/dev/console 2>&1\na", "a exec"),
        ("exec -a x b", "b exec"),
        ("exec \"$@\" a", "exec"),
        ("exec setsid /sbin/a b", "/sbin/a exec setsid"),
        ("exec setsid -c cttyhack sh -l", "cttyhack exec setsid sh"),
        ("command a b; command -p c; command -v d", "a c command"),
        ("env a; env -i X=1 Y=\"$z\" b c; env -u X d", "a b d env"),
        ("env -S a b; env $x c", "env"),
        (
            "nice a; nice -n 5 b; nice -5 c; nice -n5 d; nice -n \"$e\" f",
            "a b c d f nice",
        ),
        ("nice -x a", "nice"),
        (
            "timeout 5 a; timeout -s KILL 5 b; timeout -t 5 c",
            "a b timeout",
        ),
        ("nohup nice env X=1 a &", "a env nice nohup"),
    ] {
        assert_eq!(of(script).join(" "), commands, "{script}");
    }
    let script = "/bin/busybox a b; busybox --install -s; busybox env X=1 c; busybox";
    let calls = Calls::of(script);
    assert_eq!(of(script), ["/bin/busybox", "busybox", "c"]);
    assert_eq!(calls.applets.into_iter().collect::<Vec<_>>(), ["a", "env"]);
}

#[test]
fn what_is_no_command_does_not_count() {
    for (script, commands) in [
        ("# a\n\"$b\" c\n$f g\n/h/$i j\n", ""),
        ("a >b 2>c <d 2>&1 >>e", "a"),
        ("a <<END\nb `c` $(d)\nEND\ne", "a e"),
        ("a <<-'END' | d\n\tb\n\tEND\nc", "a c d"),
        ("a << \"E\"; b <<F\nc\nE\nd\nF\ne", "a b e"),
        ("a ${b:-c} $((d + e)) \"f; g\" 'h; i' \\; j", "a"),
        ("a # b; c\nd#e f; g $# \"$#\" ${#h}; i", "a g i"),
        ("a '\n# b\nc; d\n' e", "a"),
        ("awk '{ print $1; system(\"x\") }' | a", "a awk"),
    ] {
        assert_eq!(of(script).join(" "), commands, "{script}");
    }
}

#[test]
fn the_patterns_of_case_are_no_commands() {
    let script = "case $x in\n  a | b) c ;;\n  (d) e; f ;;\n  # g)\n  *) case y in z) g;; esac ;;\nesac\nh\n";
    assert_eq!(of(script), ["c", "e", "f", "g", "h"]);
    assert_eq!(of("for x in a b; do c; done"), ["c", "done", "for"]);
    assert_eq!(of("a() { b; }\nc() ( d )\n"), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_written_and_set_is_known() {
    let of = |script: &'static str| {
        let calls = Calls::of(script);
        let (written, settings) = (calls.written.into_iter(), calls.settings.into_iter());
        written.chain(settings).collect::<Vec<_>>().join(" ")
    };
    for (script, told) in [
        ("a >/b 2>>\"/c\" </d", "/b /c"),
        (
            "a | tee -a '/b'; tee \"$(c >/d)\" /e",
            "$(c >/d) -a /b /d /e",
        ),
        ("sysctl -w a.b=c; sysctl d.e=\"f\"", "-w a.b=c d.e=\"f"),
        ("nice sysctl -q 'a.b=c' >/d", "-q /d a.b=c"),
        // Somebody has thought of what to do else.
        ("a >/b || c\nsysctl -w a.b=c || d\ntee /e || f", ""),
        ("echo sysctl -w a.b=c '>/d' \"> /e\" # >/f", ""),
        ("a <<END\nb >/c\nsysctl -w a.b=c\nEND\n", ""),
    ] {
        let mut told: Vec<_> = told.split(' ').collect();
        told.sort_unstable();
        let found = of(script);
        let mut found: Vec<_> = found.split(' ').collect();
        found.sort_unstable();
        assert_eq!(found, told, "{script}");
    }
}

#[test]
fn scripts_that_end_too_soon_end() {
    for script in [
        "a '",
        "a \"",
        "a $(",
        "a ${",
        "a $((",
        "a $'",
        "a $'\\",
        "a \"${b:-",
        "case x in",
        "a <<END",
        "a <",
        "a &>",
        "[[ a",
        "nice -n",
        "\\",
        "\\\n",
        "`",
        "`a \\",
        // Blanks that are none to a shell.
        "a\u{a0}b",
        "\u{a0}",
        "\u{c}a",
    ] {
        let _ = Calls::of(script);
    }
    for part in ["$(", "(", "\"${", "\"$(", "`$(", "\"`", "${x:-`"] {
        let _ = Calls::of(&part.repeat(100_000));
    }
}
