package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/httpapi"
)

type auditVerifyCmd struct {
	Log   bool   `name:"log" help:"Only the log: checksums, leaves, tree and checkpoints. Needs no understanding of events, and is fast."`
	State string `name:"state" placeholder:"FILE" help:"Keep here what was found clean (0600), and do not do again in full what is seen to be unchanged since. An interrupted run goes on from it."`
}

// Help is shown by --help.
func (auditVerifyCmd) Help() string {
	return `Reads everything that the ledger has and compares it, while the ledger goes on:

    opening      what opening the data directory survived and made good
    log          every segment, every event's leaf against tiles and entries, every tile above them, the index of leaves; what was dropped is named by an event
    checkpoints  the tree's root at every checkpoint that is known, who signed it, the witnesses' quorum
    store        the store's index and small files
    events       every event decodes, and the key of every sealed value is there or was destroyed on purpose
    keys         the key store, the lookup, the signing keys
    views        every row of every view against a fold of the log

No value is opened, and what is verified is not changed. Opening the data directory is another matter: like every command it makes good what it can (an index, a view, a torn end) and this command says so, as findings of the first step; whoever opened it before was told then. Each finding says what is wrong, where, what it means and what to do.

With --state the log is read in full again all the same: a section's events are not decoded again when all its leaves are what they were, and a view is not folded again when all its rows, and the log below them, are. So damage that came after an earlier run is found also in what is skipped. A file of another ledger or another version of this program is refused.

Exit codes: 0 nothing was found, 1 it could not be checked (to the end), 2 usage, 3 something was found. A data directory that does not open because it is damaged is a finding.

Examples:

    lethe audit verify
    lethe audit verify --log
    lethe audit verify --state audit.state --json
    lethe audit verify --server https://ledger.example.com --token-file auditor.token`
}

func (c *auditVerifyCmd) Run(ctx context.Context, s *shell) error {
	if c.Log && c.State != "" {
		return usage("--log reads all of the log every time, so that there is nothing for --state to skip: leave one out")
	}
	state, err := loadAuditState(c.State)
	if err != nil {
		return err
	}
	api, err := s.api(ctx)
	if err != nil {
		if res, damaged := audit.Refused(s.root.Storage.Resolved().Data, err); damaged {
			res.LogOnly = c.Log
			return s.verified(res)
		}
		return err
	}
	body := httpapi.VerifyBody{Log: c.Log}
	if state != nil {
		body.Known = &state.State
	}
	res, err := s.verify(ctx, api, body, state)
	if saving := state.save(); err == nil {
		err = saving
	}
	if err != nil {
		return err
	}
	return s.verified(res)
}

func (s *shell) verify(ctx context.Context, api *client, in httpapi.VerifyBody, state *auditState) (res audit.Result, err error) {
	q := call{method: http.MethodPost, path: []string{"audit", "verify"}, body: in}
	body, err := q.encode()
	if err != nil {
		return res, err
	}
	answer, err := api.send(ctx, q, bytesOf(body))
	if err != nil {
		return res, err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		_, err := read(answer)
		return res, err
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	return followAudit(answer.Body, bars, state)
}

// verifyLine is one line of the answer.
type verifyLine struct {
	audit.Line
	Result  *audit.Result `json:"result"`
	Problem *problem      `json:"problem"`
}

const maxVerifyLine = 16 << 20

// followAudit reads the answer to its end, and keeps what is clean.
func followAudit(body io.Reader, bars *progress, state *auditState) (res audit.Result, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxVerifyLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var l verifyLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return res, fmt.Errorf("reading the server's answer: %w", err)
		}
		switch {
		case l.Problem != nil:
			return res, l.Problem
		case l.Result != nil:
			return *l.Result, nil
		case l.Begun != nil:
			state.begin(*l.Begun)
		case l.Progress != nil:
			bars.set(l.Progress.Step, int64(l.Progress.Done), int64(l.Progress.Total))
		case l.Clean != nil:
			if err := state.add(*l.Clean); err != nil {
				return res, err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return res, fmt.Errorf("reading the server's answer: %w", err)
	}
	return res, &domain.Error{
		Kind: domain.KindUnavailable, Code: "audit.interrupted",
		Message: "the server stopped before the audit was done: ask again",
	}
}

// verified prints a result and ends with its exit code.
func (s *shell) verified(res audit.Result) error {
	var err error
	if s.root.JSON {
		err = s.json(res)
	} else {
		p := &page{}
		verifyPage(p, res)
		err = p.writeTo(s.process.Stdout)
	}
	if err == nil && !res.Clean {
		return errFound
	}
	return err
}

// auditorOf makes the auditor of an open ledger.
func auditorOf(a *app.App, version string) *audit.Auditor {
	return audit.New(audit.Options{
		Store: a.Store, Seal: a.Seal, Keys: a.Keys, Decoder: a.Codec, Views: a.Views.Runner,
		Reports: a.Reports, Version: version, Now: time.Now,
	})
}

var errStateDamaged = errors.New("the file is damaged or none of this command's: name another one, or remove it")
