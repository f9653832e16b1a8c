package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/httpapi"
)

// stored is the whole log as the store has it.
func (w *world) stored() (all []*eventstore.Recorded) {
	w.t.Helper()
	for r, err := range w.app.Store.ReadAll(context.Background(), 0) {
		require.NoError(w.t, err)
		all = append(all, r.Clone())
	}
	return all
}

func lines(t *testing.T, body []byte) (all []m) {
	t.Helper()
	for line := range bytes.Lines(body) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var v m
		require.NoError(t, json.Unmarshal(line, &v))
		all = append(all, v)
	}
	return all
}

func TestTheFeedIsTheLogAsStored(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.served("ada@example.com")
	a := w.do("GET", "/v1/events", nil).is(200)
	require.Equal(t, "application/x-ndjson", a.header.Get("Content-Type"))
	want, got := w.stored(), lines(t, a.body)
	require.Len(t, got, len(want))
	for i, r := range want {
		require.Equal(t, r.Position.String(), got[i]["position"])
		require.Equal(t, r.Type, got[i]["type"])
		sealed, _ := got[i]["sealed"].([]any)
		require.Len(t, sealed, len(r.Sealed))
		for j, part := range r.Sealed {
			require.Equal(t, base64.StdEncoding.EncodeToString(part), sealed[j])
		}
	}
	require.Contains(t, string(a.body), string(want[len(want)-1].Facts), "facts are the very bytes")
	require.NotContains(t, string(a.body), "ada@example.com")

	after := want[3].Position.String()
	two := lines(t, w.do("GET", "/v1/events?limit=2&after="+after, nil).is(200).body)
	require.Len(t, two, 2)
	require.Equal(t, want[4].Position.String(), two[0]["position"])
	w.do("HEAD", "/v1/events?follow=true", nil).is(405)
	w.do("GET", "/v1/events?after=x", nil).problem(422, "request.parameter")
	w.do("GET", "/v1/events?after=99999999999999999999", nil).problem(400, "request.malformed")
}

// sseEvents reads server-sent events until enough were seen.
func sseEvents(t *testing.T, body *bufio.Scanner, enough int) (ids []string, alive bool) {
	t.Helper()
	for body.Scan() {
		switch line := body.Text(); {
		case line == ": alive":
			alive = true
			if len(ids) >= enough {
				return ids, alive
			}
		case strings.HasPrefix(line, "id: "):
			ids = append(ids, strings.TrimPrefix(line, "id: "))
		}
	}
	return ids, alive
}

func TestServerSentEventsFollowTheLog(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Limits.Heartbeat = 20 * time.Millisecond })
	w.declare()
	made := w.do("POST", "/v1/tokens", m{"name": "feed", "roles": []principal.Role{principal.Service}}).is(201)
	server := httptest.NewUnstartedServer(w.api)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond // a feed outlives both
	server.Start()
	defer server.Close()
	past := w.stored()
	get := func(last string) *http.Response {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/v1/events", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+made.text("secret"))
		r.Header.Set("Accept", "text/event-stream")
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		return resp
	}
	resp := get(past[1].Position.String())
	defer resp.Body.Close()
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, 1<<20)
	ids, alive := sseEvents(t, scanner, len(past)-2)
	require.True(t, alive)
	require.Equal(t, past[2].Position.String(), ids[0])
	require.Len(t, ids, len(past)-2)

	for began := time.Now(); time.Since(began) < 300*time.Millisecond; { // signs of life beyond the timeouts
		require.True(t, scanner.Scan())
	}
	w.person("ada@example.com") // live
	ids, _ = sseEvents(t, scanner, 2)
	now := w.stored()
	require.Equal(t, []string{now[len(now)-2].Position.String(), now[len(now)-1].Position.String()}, ids)

	w.do("DELETE", "/v1/tokens/"+made.text("id"), nil).is(200) // ends it at the next sign of life
	for scanner.Scan() {
		require.NotContains(t, scanner.Text(), "problem")
	}
}

func TestFeedsAreBoundedAndEndWithTheServer(t *testing.T) {
	stop, end := context.WithCancel(context.Background())
	defer end()
	w := newWorld(t, func(o *httpapi.Options) { o.Stop, o.Limits.MaxFeeds = stop, 1 })
	server := httptest.NewServer(w.api)
	defer server.Close()
	secret := w.tokenFor(principal.Auditor)
	open := func() *http.Response {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/v1/events?follow=true", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+secret)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		return resp
	}
	first := open()
	defer first.Body.Close()
	require.Equal(t, 200, first.StatusCode)
	second := open()
	require.NoError(t, second.Body.Close())
	require.Equal(t, 429, second.StatusCode)
	end()
	scanner := bufio.NewScanner(first.Body)
	for scanner.Scan() { // to the end of the stream
		require.NotEmpty(t, scanner.Text())
	}
	require.NoError(t, scanner.Err())
}

func TestRebuildingTellsProgress(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.do("POST", "/v1/projections/rebuild", m{"views": []string{"none"}}).problem(404, "view.unknown")
	steps := lines(t, w.do("POST", "/v1/projections/rebuild", nil).is(200).body)
	require.Equal(t, true, steps[len(steps)-1]["done"])
	require.Len(t, w.do("GET", "/v1/projections", nil).is(200).get("items"), 6)
	require.NotNil(t, w.do("GET", "/v1/status", nil).is(200).get("views.0.position"))
}
