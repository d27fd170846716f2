//! What stands behind the options in `--help`: examples, and exit codes.

pub(crate) const COMPILE: &str = "\
Examples:
  kmapc es                     find the Spanish keymap, write es.bmap
  kmapc es.kmap.gz             compile this file, write es.bmap
  kmapc es us de-latin1        write es.bmap, us.bmap and de-latin1.bmap
  kmapc -u ro -o /tmp/ro.bmap  for a console in Unicode mode
  kmapc - < my.map | loadkmap  load it at once, in busybox
  kmapc show es                what is on the keys
  kmapc list                   which keymaps there are
  kmapc type es 'contraseña'   can I type my passphrase with this keymap, and how

Names are searched under /usr/share/keymaps and its like; LOADKEYS_KEYMAP_PATH names another
directory, and LOADKEYS_INCLUDE_PATH where included files are; a name that is not there is
completed in the current directory. NAME.bmap is made of the keymap's file name. Nothing is
written unless every keymap is free of errors. A file that is named as one of the commands is
reached by its path: kmapc ./show.

Exit codes: 0 done, 1 a keymap has errors, 2 wrong usage, 3 the machine is at fault.
kmapc diff: 0 the same, 1 keys differ, 2 a keymap has errors. kmapc type: 1 also where a
character cannot be typed.

Manual pages: kmapc --man DIR. Completion of lines: source <(COMPLETE=bash kmapc), zsh likewise;
in fish: COMPLETE=fish kmapc | source";

pub(crate) const CHECK: &str = "\
Examples:
  kmapc check es               every problem of the Spanish keymap
  kmapc check -q *.kmap.gz     one line for each keymap of a collection
  kmapc check -u es us         as a console in Unicode mode takes them

Exit codes: 0 no keymap has errors (warnings are none), 1 one has, 2 wrong usage, 3 the machine
is at fault";

pub(crate) const DECOMPILE: &str = "\
Examples:
  kmapc decompile es.bmap                what the binary keymap says
  kmapc decompile es.bmap -o my.map      to change it, and compile it again: kmapc my.map
  kmapc decompile es                     the whole keymap, its includes too, in one text

Exit codes: 0 done, 1 the keymap has errors, 2 wrong usage, 3 the machine is at fault";

pub(crate) const DIFF: &str = "\
Examples:
  kmapc diff us es                       what changes for a person, key by key
  kmapc diff -8 es.bmap es               is the binary keymap what `kmapc es` would write?
  kmapc diff --json old.bmap new.bmap    for a script

Exit codes: 0 the same, 1 keys differ, 2 wrong usage, or a keymap has errors, 3 the machine is at
fault";

pub(crate) const LIST: &str = "\
Examples:
  kmapc list                             every keymap, and its file
  kmapc list dvorak                      those with dvorak in their names
  kmapc list --xkb spanish               XKB layouts and variants, as words for `kmapc xkb`

A file in the current directory that has the very name of a keymap goes before it.

Exit codes: 0 done, 1 there is nothing with this text, 2 wrong usage, 3 there are no keymaps, or no
XKB layouts";

pub(crate) const SHOW: &str = "\
Examples:
  kmapc show es                          in the terminal
  kmapc show --shape ansi us             the keyboard of the United States
  kmapc show es.bmap --svg es.svg        a picture of what a binary keymap does

Exit codes: 0 done, 1 the keymap has errors, 2 wrong usage, 3 the machine is at fault";

pub(crate) const TYPE: &str = "\
Examples:
  kmapc type es 'contraseña €'           which keys to press, for each character
  kmapc type es.bmap - < passphrase      the text from a file
  kmapc type es -                        the text from the keyboard, up to Control-D

Exit codes: 0 all can be typed, 1 a character cannot, or the keymap has errors, 2 wrong usage,
3 the machine is at fault";

pub(crate) const XKB: &str = "\
Examples:
  kmapc xkb es                           write es.bmap
  kmapc xkb de nodeadkeys                a variant: de-nodeadkeys.bmap
  kmapc xkb us,ru --options grp:alt_shift_toggle
                                         two layouts, and keys that switch between them
  kmapc xkb us,ru ,phonetic --options grp:alt_shift_toggle
                                         with the variant of the second
  kmapc xkb fr --text                    the keymap's text, to change it

Exit codes: 0 done, 1 there is no such layout, variant, model or option, 2 wrong usage, 3 the
machine is at fault, or has no XKB layouts";
