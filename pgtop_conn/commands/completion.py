"""completion: what bash, zsh and fish need to complete our command line, from the parsers that --help is made from.

Add a value to complete: Setting.values in config.SETTINGS, or `choices` of the command's own argument.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.common.parser import parser_of
from pgtop_conn.commands.common.theme_names import theme_names
from pgtop_conn.config import SETTINGS
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal.console import answer

#: What they call the value of an option that names a file.
FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command; `values` is empty where any text will do."""

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    values: tuple[str, ...] = ()
    #: Whether its value may be left out.
    optional: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SHELL."""
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def run(invocation: Invocation) -> int:
    """Print the script; the exit code."""
    return answer(completion(invocation.found["shell"], invocation.commands, theme_names()), "", DONE)


def completion(shell: str, commands: Mapping[str, str], themes: Sequence[str]) -> str:
    """The script for bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands, themes)


def listed_options(name: str, commands: Mapping[str, str], themes: Sequence[str]) -> list[Option]:
    """Every option that the command takes."""
    values = {setting.field: tuple(setting.values()) for setting in SETTINGS if setting.values} | {"theme": (*themes,)}
    return [
        Option(
            flags=tuple(action.option_strings),
            help=" ".join((action.help or "").split()),
            metavar=str(action.metavar or "") if action.nargs != 0 else "",
            values=tuple(action.choices or values.get(action.dest, ())) if action.nargs != 0 else (),
            optional=action.nargs == "?",
        )
        for action in parser_of(name, commands)._actions
        if action.option_strings
    ]


def words_of(name: str, commands: Mapping[str, str]) -> tuple[str, ...]:
    """What a command's own first argument can be, where that is a list."""
    found = [action for action in parser_of(name, commands)._actions if not action.option_strings]
    return tuple(found[0].choices or ()) if found and isinstance(found[0], argparse.Action) else ()


def _bash_answers(options: Iterable[Option]) -> str:
    """The cases of a value behind an option: words, or files."""
    values: dict[str, str] = {}
    for option in options:
        if option.metavar and not (option.optional and option.metavar != FILE):
            words = " ".join(option.values)
            chosen = (
                "_pgtop_conn_files" if option.metavar == FILE else f'COMPREPLY=($(compgen -W "{words}" -- "$word"))'
            )
            values["|".join(option.flags)] = chosen
    return "\n".join(f"        {flags}) {chosen}; return ;;" for flags, chosen in values.items())


def _bash(commands: Mapping[str, str], themes: Sequence[str]) -> str:
    every = {name: listed_options(name, commands, themes) for name in commands}
    answers = _bash_answers(option for options in every.values() for option in options)
    flags = {name: [flag for option in options for flag in option.flags] for name, options in every.items()}
    words = "\n".join(
        f'        {name}) words="{" ".join((*words_of(name, commands), *flags[name]))}" ;;' for name in commands
    )
    return f"""# bash completion for {PROGRAM}: source <({PROGRAM} completion bash)
_pgtop_conn_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$word"))
}}

_pgtop_conn() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= i
    COMPREPLY=()
    # --option=value comes as three words.
    if [[ $word == = ]]; then
        word=
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            {"|".join(commands)}) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case $previous in
{answers}
    esac
    case ${{command:-watch}} in
{words}
    esac
    [[ $command || $word == -* ]] || words="{" ".join(commands)}"
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}

complete -F _pgtop_conn {PROGRAM}
"""


def _zsh(commands: Mapping[str, str], themes: Sequence[str]) -> str:
    listed = "\n".join(f"        {_quoted(f'{name}:{told}')}" for name, told in commands.items())
    cases = []
    for name in commands:
        specs = " \\\n                ".join(_spec(option) for option in listed_options(name, commands, themes))
        words = words_of(name, commands)
        rest = f"'*:: :({' '.join(words)})'" if words else "'*: :_default'"
        cases.append(
            f"        {name})\n            _arguments -S \\\n                {specs} \\\n                {rest} ;;"
        )
    return f"""#compdef {PROGRAM}
# zsh completion for {PROGRAM}: a file _{PROGRAM} in a folder of $fpath, or source <({PROGRAM} completion zsh)
_{PROGRAM}() {{
    local command= word
    local -i at
    local -a known=(
{listed}
    )
    for ((at = 2; at < CURRENT; at++)); do
        case $words[at] in
            {"|".join(commands)}) command=$words[at]; break ;;
        esac
    done
    if [[ -z $command && $words[CURRENT] != -* && $words[CURRENT-1] != -* ]]; then
        _describe command known
        return
    fi
    if [[ -n $command ]]; then
        # The options alone are looked at from here on.
        words[at]=()
        (( CURRENT-- ))
    fi
    case ${{command:-watch}} in
{chr(10).join(cases)}
    esac
}}

if [[ $funcstack[1] == _{PROGRAM} ]]; then
    _{PROGRAM} "$@"
else
    compdef _{PROGRAM} {PROGRAM}
fi
"""


def _spec(option: Option) -> str:
    """One option as _arguments takes it."""
    told = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    value = ""
    if option.metavar:
        action = "_files" if option.metavar == FILE else f"({' '.join(option.values)})" if option.values else " "
        value = f"{':' * (1 + option.optional)}{option.metavar.replace(':', '')}:{action}"
    specs = [_quoted(f"({' '.join(option.flags)}){flag}[{told}]{value}") for flag in option.flags]
    return " ".join(specs)


def _fish(commands: Mapping[str, str], themes: Sequence[str]) -> str:
    lines = [
        f"# fish completion for {PROGRAM}: {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish",
        f"complete -c {PROGRAM} -f",
    ]
    none = f"not __fish_seen_subcommand_from {' '.join(commands)}"
    for name, told in commands.items():
        lines.append(f"complete -c {PROGRAM} -n {_fished(none)} -a {name} -d {_fished(told)}")
        seen = f"__fish_seen_subcommand_from {name}"
        condition = _fished(f"{seen}; or {none}" if name == "watch" else seen)
        if words := words_of(name, commands):
            lines.append(f"complete -c {PROGRAM} -n {condition} -a {_fished(' '.join(words))}")
        for option in listed_options(name, commands, themes):
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {_fished(flag[1:])}" for flag in option.flags
            )
            value = ""
            if option.metavar:
                value = (
                    " -F"
                    if option.metavar == FILE
                    else f" -a {_fished(' '.join(option.values))}"
                    if option.values
                    else ""
                )
                value += "" if option.optional else " -r" if option.metavar == FILE else " -x"
            lines.append(f"complete -c {PROGRAM} -n {condition} {flags}{value} -d {_fished(option.help)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """One word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fished(text: str) -> str:
    """One word of fish, where a backslash escapes within quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


COMMAND = Command(run, add_arguments, connects=False, loads=False)
