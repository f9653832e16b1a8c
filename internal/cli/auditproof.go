package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lethe/internal/httpapi"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// auditProofs are the commands that give something to check elsewhere.
type auditProofs struct {
	Bundle      auditBundleCmd      `cmd:"" help:"Write the evidence of a person's history to a file that lethe-verify checks anywhere."`
	Proof       auditProofCmd       `cmd:"" help:"Prove that an event is in the log."`
	Consistency auditConsistencyCmd `cmd:"" help:"Prove that the log of one size is the beginning of the log of another."`
	Checkpoint  auditCheckpointCmd  `cmd:"" help:"Print the log's newest published checkpoint."`
	Pin         auditPinCmd         `cmd:"" help:"Bring a checkpoint that was seen elsewhere: the log shows that it contains it."`
}

// textOut is where a text that programs read goes: standard output, as it is,
// or a file. With --json it is a member of an object.
type textOut struct {
	Out   string `name:"out" short:"o" placeholder:"FILE" help:"Write to a new file (0600) instead of standard output."`
	Force bool   `name:"force" help:"Replace the file if it is there."`
}

// put writes a text that was parsed, and so holds nothing that steers a
// terminal. said is it in other words.
func (o *textOut) put(s *shell, text []byte, said any, line string) error {
	if o.Out == "" {
		if o.Force {
			return usage("--force replaces the file that --out names: name one")
		}
		if s.root.JSON {
			return s.json(said)
		}
		if _, err := s.process.Stdout.Write(text); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
		return nil
	}
	file, err := newOutFile(o.Out, o.Force)
	if err != nil {
		return err
	}
	defer file.discard()
	if _, err := file.Write(text); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	if err := file.keep(); err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(said)
	}
	p := &page{}
	p.line("%s: %s", o.Out, line)
	return p.writeTo(s.process.Stdout)
}

type auditProofCmd struct {
	Event    string  `arg:"" optional:"" help:"The event's ID."`
	Stream   string  `name:"stream" placeholder:"STREAM" help:"Instead of an ID: the stream, such as subject-TOKEN or catalogue."`
	Revision *uint64 `name:"revision" placeholder:"N" help:"The event's revision in the stream, from 0."`
	textOut  `embed:""`
}

// Help is shown by --help.
func (auditProofCmd) Help() string {
	return `The proof is a C2SP tlog-proof: the index of the event's leaf, the path to the root, the signed checkpoint, and the leaf itself. lethe-verify checks it, and so does any program that knows the format.

Examples:

    lethe audit proof EVENT -o event.tlog-proof
    lethe audit proof --stream subject-TOKEN --revision 3`
}

func (c *auditProofCmd) Run(ctx context.Context, s *shell) error {
	path := []string{"events", c.Event, "proof"}
	if c.Event == "" {
		if c.Stream == "" || c.Revision == nil {
			return usage("name the event: its ID, or --stream STREAM and --revision N")
		}
		path = []string{"streams", c.Stream, strconv.FormatUint(*c.Revision, 10), "proof"}
	} else if c.Stream != "" || c.Revision != nil {
		return usage("name the event by its ID or by --stream and --revision, not by both")
	}
	a, err := s.ask(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	said, err := provedOf(a.body)
	if err != nil {
		return err
	}
	return c.put(s, a.body, said, fmt.Sprintf("%s, revision %d of %s, is leaf %d of %d", said.Type, said.Revision, said.Stream, said.Index, said.Size))
}

// provenEvent is a proof in other words.
type provenEvent struct {
	Event    string `json:"event"`
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
	Type     string `json:"type"`
	Index    int64  `json:"index"`
	Size     int64  `json:"size"`
	Proof    string `json:"proof"`
}

func provedOf(text []byte) (said provenEvent, err error) {
	p, err := tlog.ParseProof(text)
	if err != nil {
		return said, fmt.Errorf("reading the server's answer: %w", err)
	}
	l, err := leaf.Parse(p.Extra)
	if err != nil {
		return said, fmt.Errorf("reading the server's answer: %w", err)
	}
	c, err := tlog.CheckpointOf(p.Checkpoint)
	return provenEvent{
		Event: l.EventID.String(), Stream: printable(l.Stream), Revision: l.Revision, Type: printable(l.Type), Index: p.Index, Size: c.Size, Proof: string(text),
	}, err
}

type auditConsistencyCmd struct {
	From    int64 `name:"from" required:"" placeholder:"N" help:"Size of the smaller checkpoint."`
	To      int64 `name:"to" placeholder:"M" help:"Size of the larger one; the newest published one's when left out."`
	textOut `embed:""`
}

// Help is shown by --help.
func (auditConsistencyCmd) Help() string {
	return `Shows that the log of one size is the beginning of the log of another size (RFC 6962, 2.1.2): two lines, from and to, and the hashes in base64. lethe-verify takes it as --consistency, with the two checkpoints.

Examples:

    lethe audit consistency --from 1200 -o consistency.txt
    lethe audit consistency --from 1200 --to 5000`
}

func (c *auditConsistencyCmd) Run(ctx context.Context, s *shell) error {
	q := url.Values{"from": {strconv.FormatInt(c.From, 10)}}
	if c.To > 0 {
		q.Set("to", strconv.FormatInt(c.To, 10))
	}
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"proofs", "consistency"}, query: q})
	if err != nil {
		return err
	}
	from, to, path, err := tlog.ParseConsistency(a.body)
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	said := struct {
		From   int64    `json:"from"`
		To     int64    `json:"to"`
		Hashes []string `json:"hashes"`
	}{from, to, []string{}}
	for _, h := range path {
		said.Hashes = append(said.Hashes, h.String())
	}
	return c.put(s, a.body, said, fmt.Sprintf("that %d leaves are the beginning of %d", from, to))
}

type auditCheckpointCmd struct {
	textOut `embed:""`
}

// Help is shown by --help.
func (auditCheckpointCmd) Help() string {
	return `The checkpoint is a signed note (C2SP tlog-checkpoint): the log's name, its size, its root. Keep it: with it, whoever has it can show later whether history was altered since.

Example:

    lethe audit checkpoint -o 2026-01-31.checkpoint`
}

func (c *auditCheckpointCmd) Run(ctx context.Context, s *shell) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	public := *api
	public.base = strings.TrimSuffix(api.base, "/v1") // it is at its own address, not among the operations
	a, err := public.do(ctx, call{method: http.MethodGet, path: []string{"checkpoint"}})
	if err != nil {
		return err
	}
	at, err := tlog.CheckpointOf(a.body)
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	said := struct {
		Origin string `json:"origin"`
		Size   int64  `json:"size"`
		Root   string `json:"root"`
		Note   string `json:"note"`
	}{at.Origin, at.Size, at.Root.String(), string(a.body)}
	return c.put(s, a.body, said, fmt.Sprintf("%s, size %d, root %s", at.Origin, at.Size, at.Root))
}

type auditPinCmd struct {
	File string `arg:"" help:"A checkpoint that was seen elsewhere; - is standard input."`
}

// Help is shown by --help.
func (auditPinCmd) Help() string {
	return `Brings a checkpoint that was seen elsewhere: by a witness, on paper, a year ago. The log shows that it signed it and that its history contains it, and keeps it. If its history does not, it ends with exit code 3: two histories were shown, or what it covers was lost with an older copy that was restored. Keep the file.

Example:

    lethe audit pin 2026-01-31.checkpoint`
}

func (c *auditPinCmd) Run(ctx context.Context, s *shell) error {
	text, err := s.read(c.File, tlog.MaxNote)
	if err != nil {
		return err
	}
	q := call{method: http.MethodPost, path: []string{"log", "checkpoints"}, raw: text, media: "text/plain"}
	err = show(ctx, s, q, func(p *page, k httpapi.KnownCheckpoint) error {
		p.line("The log contains it, and keeps it.")
		p.row("  log", k.Origin)
		p.row("  size", count(k.Size))
		return nil
	})
	if c := asProblemCode(err); c == "checkpoint.contradicted" || c == "checkpoint.lost" {
		fail(s.process.Stderr, s.root.JSON, err)
		return errFound
	}
	return err
}

// asProblemCode is the code of a refusal; empty for none.
func asProblemCode(err error) string {
	if err == nil {
		return ""
	}
	return asProblem(err).Code
}
