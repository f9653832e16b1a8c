package httpapi_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const golden = "../../docs/openapi.json"

var update = flag.Bool("update", false, "write docs/openapi.json")

// The committed description is the one that is served.
func TestTheDescriptionIsTheCommittedOne(t *testing.T) {
	w := newWorld(t)
	served := w.anyone("GET", "/openapi.json", nil).is(200).body
	if *update {
		require.NoError(t, os.WriteFile(golden, served, 0o644))
	}
	committed, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(committed), string(served), "run go test ./internal/httpapi -run TestTheDescription -update")
}

type document struct {
	Paths map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Description string                `json:"description"`
		Tags        []string              `json:"tags"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]any        `json:"responses"`
	} `json:"paths"`
	Tags []struct{ Name string }
}

func describe(t *testing.T, w *world) (d document) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.api.OpenAPI(), &d))
	require.NotEmpty(t, d.Paths)
	return d
}

func TestEveryOperationIsDescribedAndGuarded(t *testing.T) {
	d := describe(t, newWorld(t))
	tags, ids := map[string]bool{}, map[string]bool{}
	for _, tag := range d.Tags {
		tags[tag.Name] = true
	}
	for path, methods := range d.Paths {
		require.True(t, strings.HasPrefix(path, "/v1/"), path)
		for method, op := range methods {
			at := method + " " + path
			require.NotEmpty(t, op.Summary, at)
			require.Greater(t, len(op.Description), 10, at)
			require.Contains(t, op.Description, "Roles: ", at)
			require.Len(t, op.Tags, 1, at)
			require.True(t, tags[op.Tags[0]], "%s has the unknown tag %s", at, op.Tags[0])
			require.Equal(t, []map[string][]string{{"token": {}}}, op.Security, at)
			require.Contains(t, op.Responses, "default", at)
			require.False(t, ids[op.OperationID], "%s: operation ID %s is taken", at, op.OperationID)
			ids[op.OperationID] = true
		}
	}
}

func TestTheDocsPageNeedsNothingFromElsewhere(t *testing.T) {
	w := newWorld(t)
	page := string(w.anyone("GET", "/docs", nil).is(200).body)
	require.NotContains(t, page, "http://")
	require.NotContains(t, page, "https://")
	require.NotContains(t, page, "src=")
}
