package cli

import (
	"context"
	"net/http"
	"strconv"

	"lethe/internal/httpapi"
)

type keysCmd struct {
	Show keysShowCmd `cmd:"" default:"1" help:"Show the keys that sign the log, and where sealing stands."`
	Log  keysLogCmd  `cmd:"" help:"Change the keys that sign the log."`

	Epochs keysEpochsCmd `cmd:"" help:"Tell which copies of the key store are dead since when."`
	Rotate keysRotateCmd `cmd:"" help:"Rotate the epoch keys, so that older copies of the key store are dead."`
	Root   keysRootCmd   `cmd:"" help:"Bring the key store under another root key."`
	Place  keysPlaceCmd  `cmd:"" help:"Say what became of a place of epoch keys."`
}

type keysLogCmd struct {
	Export   keysLogExportCmd   `cmd:"" help:"Print the verifier keys that sign now, a line each: what an auditor is given."`
	Rotate   keysLogRotateCmd   `cmd:"" help:"Add a signing key beside the present one."`
	Retire   keysLogRetireCmd   `cmd:"" help:"Let a key sign no more; what it signed counts."`
	Distrust keysLogDistrustCmd `cmd:"" help:"Say that a key's signatures do not count from a size on."`
}

type keysShowCmd struct{}

// Help is shown by --help.
func (keysShowCmd) Help() string {
	return `Examples:

    lethe keys
    lethe keys show --json`
}

func (keysShowCmd) Run(ctx context.Context, s *shell) error {
	return show(ctx, s, call{method: http.MethodGet, path: []string{"log", "keys"}}, func(p *page, v items[httpapi.LogKey]) error {
		p.head("key", "log", "from", "until", "distrusted from", "signs")
		for _, k := range v.Items {
			p.row(k.ID, k.Origin, count(k.From), sizeOr(k.Until), sizeOr(k.Distrusted), yes(k.Signs))
		}
		p.line("")
		for _, k := range v.Items {
			p.line("%s", k.VKey)
		}
		return nil
	})
}

// sizeOr shows a size that may be open.
func sizeOr(n int64) string {
	if n < 0 {
		return ""
	}
	return count(n)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type keysLogExportCmd struct{}

// Help is shown by --help.
func (keysLogExportCmd) Help() string {
	return `Give the line to the auditor by a way of its own, not together with what it verifies.

Example:

    lethe keys log export > ledger.vkey`
}

func (keysLogExportCmd) Run(ctx context.Context, s *shell) error {
	return show(ctx, s, call{method: http.MethodGet, path: []string{"log", "keys"}}, func(p *page, v items[httpapi.LogKey]) error {
		for _, k := range v.Items {
			if k.Signs {
				p.line("%s", k.VKey)
			}
		}
		return nil
	})
}

type keysLogRotateCmd struct{}

// Help is shown by --help.
func (keysLogRotateCmd) Help() string {
	return `Both keys sign from the next checkpoint on. Give the new verifier key to who verifies, and retire the old key when they have it.

Example:

    lethe keys log rotate`
}

func (keysLogRotateCmd) Run(ctx context.Context, s *shell) error {
	return changeKey(ctx, s, nil, "log", "keys")
}

type keysLogRetireCmd struct {
	Key string `arg:"" help:"The key's ID, 8 hexadecimal digits."`
}

// Help is shown by --help.
func (keysLogRetireCmd) Help() string {
	return `Example:

    lethe keys log retire 2f3a90b1`
}

func (c *keysLogRetireCmd) Run(ctx context.Context, s *shell) error {
	return changeKey(ctx, s, nil, "log", "keys", c.Key, "retire")
}

type keysLogDistrustCmd struct {
	Key  string `arg:"" help:"The key's ID, 8 hexadecimal digits."`
	From int64  `name:"from-size" required:"" placeholder:"N" help:"The first size of the log at which its signatures do not count: that of the first checkpoint that was signed when it may have been in other hands."`
}

// Help is shown by --help.
func (keysLogDistrustCmd) Help() string {
	return `For a key that was, or may have been, in other hands. Rotate first: another key must sign. Tell who verifies, by a way of its own: a thief of the key can sign a list of keys too.

Example:

    lethe keys log rotate
    lethe keys log distrust 2f3a90b1 --from-size 120000`
}

func (c *keysLogDistrustCmd) Run(ctx context.Context, s *shell) error {
	return changeKey(ctx, s, &httpapi.DistrustBody{From: c.From}, "log", "keys", c.Key, "distrust")
}

func changeKey(ctx context.Context, s *shell, body any, path ...string) error {
	return show(ctx, s, call{method: http.MethodPost, path: path, body: body}, func(p *page, k httpapi.LogKey) error {
		p.row("key", k.ID)
		p.row("log", k.Origin)
		p.row("signs", yes(k.Signs))
		p.row("from size", count(k.From))
		if k.Until >= 0 {
			p.row("until size", count(k.Until))
		}
		if k.Distrusted >= 0 {
			p.row("distrusted from", count(k.Distrusted))
		}
		p.line("")
		p.line("%s", k.VKey)
		return nil
	})
}

func logLines(p *page, l *httpapi.LogStatus) {
	if l == nil {
		return
	}
	p.line("")
	p.row("history", l.Origin)
	p.row("sealed", count(l.Size)+" events")
	p.row("published", count(l.Published)+" events")
	if l.Lag > 0 {
		p.row("not sealed yet", count(l.Lag)+" events, for "+strconv.FormatFloat(l.Waiting, 'f', 1, 64)+" s")
	}
	if l.Failed != "" {
		p.row("SEALING STOPPED", l.Failed)
	}
	for _, w := range l.Witnesses {
		p.row("witness "+w.Name, count(w.Size)+" events, "+orDash(stamp(w.At))+orNote(w.Error))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func orNote(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
