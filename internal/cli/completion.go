package cli

import (
	"fmt"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints a script that is made of the commands' declaration,
// so that it is complete by construction.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown by --help.
func (completionCmd) Help() string {
	return `Examples:

    source <(lethe completion bash)
    lethe completion zsh > "${fpath[1]}/_lethe"
    lethe completion fish > ~/.config/fish/completions/lethe.fish`
}

func (c *completionCmd) Run(s *shell) error {
	nodes := flatten(s.model.Node, "")
	var script string
	switch c.Shell {
	case "bash":
		script = bash(nodes)
	case "zsh":
		script = "#compdef lethe\nautoload -U +X bashcompinit && bashcompinit\n" + bash(nodes)
	case "fish":
		script = fish(nodes)
	}
	if _, err := fmt.Fprint(s.process.Stdout, script); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	return nil
}

// word is something that can be typed next.
type word struct{ text, help string }

// place is a point on the command line: "subject show", and what can follow.
type place struct {
	path     string
	commands []word
	flags    []word
}

func flatten(n *kong.Node, path string) []place {
	at := place{path: path}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			at.flags = append(at.flags, word{"--" + f.Name, f.Help})
		}
	}
	at.flags = append(at.flags, word{"--help", "Show help."})
	sort.Slice(at.flags, func(i, j int) bool { return at.flags[i].text < at.flags[j].text })
	at.flags = unique(at.flags)
	out := []place{}
	for _, child := range n.Children {
		if child.Hidden {
			continue
		}
		at.commands = append(at.commands, word{child.Name, child.Help})
		out = append(out, flatten(child, strings.TrimSpace(path+" "+child.Name))...)
	}
	return append([]place{at}, out...)
}

func unique(sorted []word) []word {
	out := sorted[:0]
	for _, w := range sorted {
		if len(out) == 0 || out[len(out)-1].text != w.text {
			out = append(out, w)
		}
	}
	return out
}

func texts(words []word) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return strings.Join(out, " ")
}

// bash walks the words typed so far down the commands; flags may stand
// between them.
func bash(places []place) string {
	var b strings.Builder
	b.WriteString(`# completion for lethe
_lethe() {
  local cur=${COMP_WORDS[COMP_CWORD]} at= next word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="${at:+$at }$word"
    case "$next" in
`)
	for _, p := range places {
		if p.path != "" {
			fmt.Fprintf(&b, "      %q) at=$next ;;\n", p.path)
		}
	}
	b.WriteString("    esac\n  done\n  local commands= flags=\n  case \"$at\" in\n")
	for _, p := range places {
		fmt.Fprintf(&b, "    %q) commands=%q flags=%q ;;\n", p.path, texts(p.commands), texts(p.flags))
	}
	b.WriteString(`  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _lethe lethe
`)
	return b.String()
}

func fish(places []place) string {
	var b strings.Builder
	b.WriteString("# completion for lethe\n")
	for _, p := range places {
		condition := "__fish_use_subcommand"
		if p.path != "" {
			var seen []string
			for _, w := range strings.Fields(p.path) {
				seen = append(seen, "__fish_seen_subcommand_from "+w)
			}
			condition = strings.Join(seen, "; and ")
		}
		for _, c := range p.commands {
			fmt.Fprintf(&b, "complete -c lethe -f -n '%s' -a %s -d '%s'\n", condition, c.text, quoted(c.help))
		}
		for _, f := range p.flags {
			fmt.Fprintf(&b, "complete -c lethe -n '%s' -l %s -d '%s'\n", condition, strings.TrimPrefix(f.text, "--"), quoted(f.help))
		}
	}
	return b.String()
}

func quoted(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `\'`) }
