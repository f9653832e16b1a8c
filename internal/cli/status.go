package cli

import (
	"context"
	"net/http"
	"strconv"

	"lethe/domain"
	"lethe/internal/app"
	"lethe/internal/httpapi"
	"lethe/projections"
	"lethe/projections/customers"
)

type statusCmd struct{}

// Help is shown by --help.
func (statusCmd) Help() string {
	return `Ends with exit code 3 when a view has failed or sealing stopped.

Examples:

    lethe status --data DIR
    lethe status --json --server http://127.0.0.1:8080 --token-file status.token`
}

func (statusCmd) Run(ctx context.Context, s *shell) error {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"status"}})
	if err != nil {
		return err
	}
	var v httpapi.Status
	if err := a.into(&v); err != nil {
		return err
	}
	if s.root.JSON {
		err = s.json(a.body)
	} else {
		p := &page{}
		statusLines(p, v)
		err = p.writeTo(s.process.Stdout)
	}
	if err == nil && (failed(v.Views) || v.Log != nil && v.Log.Failed != "") {
		return errFound
	}
	return err
}

func failed(views []httpapi.ViewStatus) bool {
	for _, v := range views {
		if v.State == projections.Failed {
			return true
		}
	}
	return false
}

func statusLines(p *page, v httpapi.Status) {
	p.row("version", v.Version)
	p.row("events", count(v.Events))
	p.row("streams", count(v.Streams))
	p.row("people", count(v.Subjects))
	p.row("position", v.Position.String())
	p.row("log", count(v.Bytes)+" bytes")
	p.line("")
	viewLines(p, v.Views)
	logLines(p, v.Log)
	if v.Lost > 0 {
		p.line("")
		p.line("PURPOSES BASED ON CONSENT ARE OFF, AND NO ERASURE STARTS: the log was restored and lost events, withdrawals and legal holds may be among them; "+
			"an officer accepts that with `lethe restore accept %d`", v.Lost)
	}
	if v.Stuck > 0 {
		p.line("")
		p.line("ERASURES THAT DO NOT GET ON: %d; `lethe erase list` says why", v.Stuck)
	}
	for _, line := range v.Reports {
		p.line("note: %s", line)
	}
}

func viewLines(p *page, views []httpapi.ViewStatus) {
	p.head("view", "state", "position", "events behind", "rebuild")
	for _, v := range views {
		lag, rebuild := "?", ""
		if v.Lag != nil {
			lag = count(*v.Lag)
		}
		if v.Total > 0 {
			rebuild = strconv.FormatUint(100*v.Done/v.Total, 10) + " %"
		}
		p.row(v.Name, string(v.State), v.Position.String(), lag, rebuild)
	}
}

// statusOf is what GET /status answers.
func statusOf(ctx context.Context, a *app.App, version string) (httpapi.Status, error) {
	stats := a.Store.Stats()
	sealed := httpapi.LogStatus(a.Seal.Status())
	s := httpapi.Status{
		Version: version, Events: stats.Events, Streams: stats.Streams, Position: stats.Head, Bytes: stats.Bytes,
		Views: httpapi.ViewStatuses(a.Views.Status()), Log: &sealed, Reports: a.Reports(), Stuck: a.Erasures.Incomplete(),
	}
	ops, err := a.Ledger.Operations(ctx)
	if err != nil {
		return s, err
	}
	s.Lost = ops.LostRange(a.Ledger.Now())
	err = a.Views.Read(ctx, customers.Name, func(q projections.Querier) error {
		return q.QueryRowContext(ctx, "SELECT count(*) FROM customers").Scan(&s.Subjects)
	})
	if e, ok := domain.AsError(err); ok && e.Kind == domain.KindUnavailable {
		s.Reports = append(s.Reports, "people are not counted until the view of customers can be read again")
		err = nil
	}
	return s, err
}
