package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"lethe/internal/canary"
	"lethe/internal/config"
)

type auditCanaryCmd struct {
	File   string        `arg:"" help:"The values to look for, one a line; - is standard input."`
	Also   []string      `name:"also" placeholder:"PATH" help:"Search here as well: a backup, a folder of logs, an evidence bundle. Can be repeated."`
	Hashes bool          `name:"hashes" help:"Search for MD5, SHA-1, SHA-256 and SHA-512 of the values as well: whoever has a list of addresses finds out by a hash whose it is."`
	Short  bool          `name:"short" help:"Take values of 4 and 5 bytes, too, which also occur by chance."`
	Backup config.Backup `embed:"" group:"Backup"`
}

// Help is shown by --help.
func (auditCanaryCmd) Help() string {
	return `Searches every byte that the ledger keeps for values that must not lie there in clear: names and contents of all files below --data, --keys, --epochs, --lookup, --pins and the others, the configured places of backups, and what --also names. Values are read from a file, never from the command line, and never printed: a finding names the line of the value.

A value is found in upper, lower and mixed case, in composed and decomposed Unicode, and as

    UTF-8, UTF-16      of both byte orders; Windows-1252, ISO-8859-1
    hex, Base64        both alphabets, at every alignment, wrapped or not
    URL, JSON, HTML    with %41, \u0041, &#65;
    quoted-printable   as in mails
    gzip, zip, zstd    also zlib, and in the compressed tables of the log's index
    SQLite             in every column, on pages in use and not, in write-ahead logs

and in up to three of these one in another. What is encrypted is not found, which is what this is to show.

Not found either is what was packed by bzip2, xz, brotli or bare deflate, written in UTF-32, UTF-7, punycode or hex with colons or spaces, or spelt in another way: two spaces for one, +49 170 for 0170. Put other spellings into the file as lines of their own. Pipes, sockets and devices are not read, and are told.

It opens no ledger, takes no lock and needs no key: the server may go on. It runs where the files are, so not with --server.

Take values that are telling: a whole address, not a first name. Of a value in plain letters that is 6 bytes long, one chance hit is to be expected in some terabytes of ciphertext; how many are to be expected in all is part of the result. Shorter values are refused, or taken with --short and then mean little.

Exit codes: 0 nothing was found, 1 not everything could be searched, 2 usage, 3 something was found.

Examples:

    lethe audit canary values.txt
    lethe audit canary values.txt --also /backups/ledger --also /backups/keys --json
    printf '%s\n' "$(cat secret)" | lethe audit canary -`
}

func (c *auditCanaryCmd) Run(ctx context.Context, s *shell) error {
	if s.root.Client.Server != "" {
		return usage("values are searched for in files: run this where the data directory is, without --server; the server may go on meanwhile")
	}
	if err := s.exists(); err != nil {
		return err
	}
	places, missing, err := c.places(s.root.Storage)
	if err != nil {
		return err
	}
	values, err := c.values(s)
	if err != nil {
		return err
	}
	bars := newProgress(s.process.Stderr)
	res, err := canary.Scan(ctx, places, values, func(done, total int64) { bars.set("searching", done, total) })
	bars.end(err == nil)
	if err != nil {
		return fmt.Errorf("searching for values: %w", err)
	}
	if s.root.JSON {
		err = s.json(res)
	} else {
		p := &page{}
		canaryPage(p, res, missing)
		err = p.writeTo(s.process.Stdout)
	}
	switch {
	case err != nil:
		return err
	case len(res.Findings) > 0:
		return errFound
	case !res.Clean:
		return errors.New("not everything could be searched: see above")
	}
	return nil
}

func (c *auditCanaryCmd) values(s *shell) (*canary.Values, error) {
	in := s.process.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, usage("opening the values: %w", err)
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	values, err := canary.Read(in, canary.Options{Short: c.Short, Hashes: c.Hashes})
	if refused := (*canary.RefusedError)(nil); errors.As(err, &refused) {
		return nil, usage("%w", refused)
	}
	return values, err //nolint:wrapcheck // says what it did
}

// places are where to search, and what is configured but not there.
func (c *auditCanaryCmd) places(s config.Storage) (there, missing []string, err error) {
	for _, p := range append(s.Places(), c.Backup.LedgerTo, c.Backup.KeysTo) {
		if p == "" {
			continue
		}
		switch _, err := os.Stat(p); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, p)
		case err != nil:
			return nil, nil, fmt.Errorf("looking where to search: %w", err)
		case !slices.Contains(there, p):
			there = append(there, p)
		}
	}
	for _, p := range c.Also {
		if _, err := os.Stat(p); err != nil {
			return nil, nil, usage("--also: %w", err)
		}
		there = append(there, p)
	}
	return there, missing, nil
}

// canaryPage shows a search's result to people.
func canaryPage(p *page, res canary.Result, missing []string) {
	p.head("place", "files", "bytes")
	for _, at := range res.Places {
		if at.Files == 0 {
			continue // within one before it, mostly
		}
		p.row(at.Path, count(at.Files), count(at.Bytes))
	}
	for _, m := range missing {
		p.row(m, "not there", "")
	}
	if len(res.Findings) > 0 {
		p.line("")
		p.head("line", "written as", "times", "where")
		for _, f := range res.Findings {
			p.row(count(f.Line), f.Encoding, count(f.Times), whereOf(f))
		}
	}
	if res.More > 0 {
		p.line("%s more findings are not listed.", count(res.More))
	}
	for _, u := range res.Unread {
		p.line("Not searched: %s: %s", printable(u.File), printable(u.Why))
	}
	p.line("")
	p.line("%s", canaryConclusion(res))
}

func whereOf(f canary.Finding) string {
	if f.Row != "" {
		return f.File + ": " + f.Row
	}
	return fmt.Sprintf("%s: offset %d", f.File, f.Offset)
}

// canaryConclusion says what the result stands for.
func canaryConclusion(res canary.Result) string {
	in := fmt.Sprintf("in %s bytes of %s", count(res.Bytes), amount(res.Files, "file", "files"))
	chance := fmt.Sprintf("By chance %.1g hits were to be expected", res.Chance)
	searched := amount(res.Values, "value", "values")
	switch {
	case len(res.Findings) > 0:
		lines := map[int]bool{}
		for _, f := range res.Findings {
			lines[f.Line] = true
		}
		s := fmt.Sprintf("Found: %s of %s, %s. %s.", count(len(lines)), searched, in, chance)
		if res.Chance > 0.01 {
			s += " Look at short values again: what is found of one, once and within ciphertext, is likely chance."
		}
		return s
	case !res.Clean:
		return fmt.Sprintf("Nothing was found of %s %s, but not everything could be searched.", searched, in)
	}
	return fmt.Sprintf("Nothing was found of %s %s. %s.", searched, in, chance)
}
