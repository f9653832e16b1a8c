package cli

import (
	"context"
	"net/http"
	"strings"

	"lethe/domain"
	"lethe/internal/httpapi"
)

// replayPage is how many people are asked for at once. What is printed is
// printed page by page, so that memory is bounded by one.
const replayPage = "500"

func (c *auditReplayCmd) call(of string) call {
	q := call{
		method: http.MethodGet, path: []string{"purposes", c.Purpose, of},
		query: queryOf("as_of", c.AsOf.query(), "by", c.By, "limit", replayPage),
	}
	if !c.Since.IsZero() {
		q.query = c.between()
		q.query.Set("limit", replayPage)
	}
	return q
}

// eachPage follows the answers' cursors to the end.
func eachPage[T any](ctx context.Context, s *shell, q call, each func(T) (next string, err error)) error {
	for {
		a, err := s.ask(ctx, q)
		if err != nil {
			return err
		}
		var page T
		if err := a.into(&page); err != nil {
			return err
		}
		next, err := each(page)
		if err != nil || next == "" {
			return err
		}
		q.query.Set("after", next)
	}
}

func (c *auditReplayCmd) ofPurpose(ctx context.Context, s *shell, out *replay) error {
	q := c.call("consents")
	if c.history() {
		q.query.Set("events", "true")
	}
	far := newDistance(s, out)
	people := 0
	var of httpapi.PurposeAsOf
	err := eachPage(ctx, s, q, func(page httpapi.PurposeStand) (string, error) {
		of, people = page.PurposeAsOf, people+len(page.Items)
		far.reached(page.Next)
		return page.Next, out.people(c, page)
	})
	far.end(err == nil)
	if err != nil {
		return err
	}
	return out.endPeople(of, people)
}

func (c *auditReplayCmd) purposeChanges(ctx context.Context, s *shell, out *replay) error {
	far := newDistance(s, out)
	people := 0
	var of httpapi.PurposeChanges
	err := eachPage(ctx, s, c.call("changes"), func(page httpapi.PurposeChanges) (string, error) {
		of, people = page, people+len(page.Items)
		far.reached(page.Next)
		return page.Next, out.changedPeople(c, page)
	})
	far.end(err == nil)
	if err != nil {
		return err
	}
	return out.endChanged(of, people)
}

func (c *auditReplayCmd) totals(ctx context.Context, s *shell, out *replay) error {
	q := c.call("totals")
	q.query.Del("limit")
	far := newDistance(s, out)
	var sum httpapi.PurposeTotals
	err := eachPage(ctx, s, q, func(page httpapi.PurposeTotals) (string, error) {
		sum.PurposeAsOf = page.PurposeAsOf
		sum.Add(page)
		far.reached(page.Next)
		return page.Next, nil
	})
	far.end(err == nil)
	if err != nil {
		return err
	}
	return out.sums(sum)
}

// distance shows on a terminal how far along the tokens a replay is. Tokens
// are random, so that the first letters of one tell.
type distance struct{ bars *progress }

func newDistance(s *shell, out *replay) *distance {
	if !terminal(s.process.Stderr) || out.file == nil && terminal(s.process.Stdout) {
		return &distance{} // nobody to show it to, or it would get into what is printed
	}
	return &distance{bars: newProgress(s.process.Stderr)}
}

const tokenLetters = "234567abcdefghijklmnopqrstuvwxyz" // in the order that tokens come in

func (d *distance) reached(next string) {
	if d.bars == nil {
		return
	}
	d.bars.set("replaying", along(next), alongAll)
}

const alongAll = 32 * 32 * 32

// along is how far a cursor's token is, of alongAll.
func along(next string) int64 {
	token := next[strings.LastIndexByte(next, '.')+1:]
	if next == "" || !domain.Token(token).Valid() {
		return alongAll
	}
	n := int64(0)
	for _, letter := range token[1:4] {
		n = n*32 + int64(strings.IndexRune(tokenLetters, letter))
	}
	return n
}

func (d *distance) end(done bool) {
	if d.bars != nil {
		d.bars.end(done)
	}
}
