// Package sourcetest is the conformance suite of source.Source, and the
// summary that golden tests compare: dispositions and counts, no values.
package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/internal/importer/source"
)

// Collect reads all rows.
func Collect(t testing.TB, s source.Source, after source.Place) []*source.Row {
	t.Helper()
	var out []*source.Row
	for row, err := range s.Rows(context.Background(), after) {
		require.NoError(t, err)
		out = append(out, row)
	}
	return out
}

// Run checks what every source has to do, on the rows that this one has.
func Run(t *testing.T, s source.Source) {
	t.Helper()
	rows := Collect(t, s, source.Place{})
	require.NotEmpty(t, rows)
	require.True(t, s.System().Valid())
	t.Run("progress ends at its total", func(t *testing.T) {
		read, total := s.Progress()
		require.Equal(t, total, read)
	})
	t.Run("rows are the same when read again", func(t *testing.T) {
		again := Collect(t, s, source.Place{})
		require.True(t, reflect.DeepEqual(rows, again))
	})
	t.Run("goes on after any place", func(t *testing.T) { resume(t, s, rows) })
	t.Run("every row is well formed", func(t *testing.T) { wellFormed(t, s, rows) })
	t.Run("no row prints what it holds", func(t *testing.T) { silent(t, rows) })
	t.Run("a cancelled context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var last error
		for _, last = range s.Rows(ctx, source.Place{}) {
		}
		require.ErrorIs(t, last, context.Canceled)
	})
	t.Run("a place that is not in the file is an error", func(t *testing.T) {
		var last error
		for _, last = range s.Rows(context.Background(), source.Place{Table: "nowhere", Number: 1}) {
		}
		require.Error(t, last)
	})
}

func resume(t *testing.T, s source.Source, rows []*source.Row) {
	step := 1 + len(rows)/7
	for i := 0; i < len(rows); i += step {
		rest := Collect(t, s, source.Place{Table: rows[i].Table, Number: rows[i].Number})
		require.Len(t, rest, len(rows)-i-1)
		require.True(t, reflect.DeepEqual(rows[i+1:], rest) || len(rest) == 0)
	}
}

func wellFormed(t *testing.T, s source.Source, rows []*source.Row) {
	tables := s.Tables()
	numbers := map[domain.Name]int{}
	created := map[source.Key]bool{}
	last := 0
	for _, r := range rows {
		at := slices.Index(tables, r.Table)
		require.GreaterOrEqual(t, at, last, "tables come in the order of Tables")
		last = at
		numbers[r.Table]++
		require.Equal(t, numbers[r.Table], r.Number, r.Table)
		require.Positive(t, r.Line)
		require.False(t, r.LeftOut != "" && len(r.Refusals) > 0, "a row left out is not refused")
		if r.LeftOut != "" {
			require.True(t, r.LeftOut.Valid())
			require.False(t, r.Creates)
			require.Empty(t, r.Fields)
			require.Empty(t, r.Consents)
			for _, d := range r.Denials {
				require.NotEmpty(t, d.Contact, "a denial of nobody's binds by its address")
			}
			continue
		}
		if len(r.Refusals) == 0 {
			if r.Creates {
				created[r.Person] = true
			}
			here := slices.Contains(tables, r.Person.Table) // else another file has created the person
			require.True(t, created[r.Person] || !here, "%s %d belongs to nobody who was created", r.Table, r.Number)
			require.NotEmpty(t, r.Key)
		}
		for _, f := range r.Fields {
			require.True(t, f.Name.Valid())
			require.True(t, f.Class.Valid())
			require.NotEmpty(t, f.Text)
			require.NotEmpty(t, f.Column)
		}
		for _, d := range r.Denials {
			require.True(t, d.Rule.Valid())
			require.True(t, d.Channel == "" || d.Channel.Valid())
			require.NotEmpty(t, d.Scope)
		}
		for _, f := range slices.Concat(r.Conflicts, r.Findings, r.Refusals) {
			require.True(t, f.Rule.Valid())
		}
		require.True(t, r.Jurisdiction == "" || r.Jurisdiction.Valid())
	}
}

func silent(t *testing.T, rows []*source.Row) {
	for _, r := range rows {
		text := fmt.Sprintf("%v %+v %#v %s %+v %+v", r, *r, r.Person, r.LogValue(), r.Fields, r.Denials)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		text += string(b)
		for _, v := range append([]string{r.Person.ID}, r.Raw...) {
			if len(v) > 6 {
				require.NotContains(t, text, v)
			}
		}
	}
}

// Summary counts per table what became of its rows: one line for each.
func Summary(rows []*source.Row) []string {
	counts := map[domain.Name]map[string]int{}
	var order []domain.Name
	for _, r := range rows {
		c := counts[r.Table]
		if c == nil {
			c = map[string]int{}
			counts[r.Table] = c
			order = append(order, r.Table)
		}
		tally(c, r)
	}
	var out []string
	for _, table := range order {
		var parts []string
		for what, n := range counts[table] {
			parts = append(parts, fmt.Sprintf("%s %d", what, n))
		}
		sort.Strings(parts)
		out = append(out, string(table)+": "+strings.Join(parts, ", "))
	}
	return out
}

func tally(c map[string]int, r *source.Row) {
	c["1 read"]++
	switch {
	case r.LeftOut != "":
		c["3 left out "+string(r.LeftOut)]++
	case len(r.Refusals) > 0:
		c["4 refused "+string(r.Refusals[0].Rule)]++
	case r.Creates:
		c["2 creates"]++
	default:
		c["2 adds"]++
	}
	for _, d := range r.Denials {
		c["5 denial "+string(d.Rule)]++
	}
	if len(r.Consents) > 0 {
		c["6 consent"] += len(r.Consents)
	}
	for _, f := range r.Conflicts {
		c["7 conflict "+string(f.Rule)]++
	}
	for _, f := range r.Findings {
		c["8 finding "+string(f.Rule)]++
	}
}
