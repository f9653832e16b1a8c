package config

import (
	"fmt"
	"io"
	"strings"
)

const intro = `# Configuration

Every setting has one name. It is given on the command line (` + "`--data DIR`" + `), in
the environment (` + "`LETHE_DATA`" + `) or in a YAML file (` + "`data: DIR`" + `), and the first of
these that gives it wins; then comes the default. The file is named by
` + "`--config FILE`" + ` or ` + "`LETHE_CONFIG`" + `; a name in it that is no setting is refused with its
line. Sizes take KiB, MiB, GiB, kB, MB, GB; durations 500ms, 30s, 2m, 1h.

Secrets are no settings: tokens and keys are named by the file that holds them.
The environment variable ` + "`LETHE_TOKEN`" + ` is read when no token file is named.

This page is generated from the code (` + "`make docs`" + `).
`

// WriteReference writes docs/configuration.md.
func WriteReference(w io.Writer) error {
	flags, err := settings()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(intro)
	group := "-"
	for _, f := range flags {
		title := "File"
		if f.Group != nil {
			title = f.Group.Title
		}
		if title != group {
			group = title
			fmt.Fprintf(&b, "\n## %s\n\n| setting | environment | default | meaning |\n|---|---|---|---|\n", title)
		}
		name := "`--" + f.Name
		if f.PlaceHolder != "" {
			name += " " + f.PlaceHolder
		}
		fmt.Fprintf(&b, "| %s` | `%s` | %s | %s |\n", name, strings.Join(f.Envs, "`, `"), orNone(f.Default), strings.ReplaceAll(f.Help, "|", `\|`))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the reference: %w", err)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}
