package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/certificate"
	"lethe/internal/testenv"
	"lethe/internal/tlog"
)

const (
	linkedSubject = "sbccdyqeykdk3mmzf3ldehqkgaftc"
	erasureID     = "7f2d4a6e-2b1c-8d3e-9f40-51626f7a8b9c"
	erasureSize   = 90 // of the tree when the golden certificate was made
)

// erased is the log of the golden certificate: a person with two records asked
// for everything to be erased; invoices stay, and one value is on hold.
func erased(t testing.TB) *world {
	w := newWorld(t)
	fill := func(n int) {
		for range n {
			w.add(fmt.Sprintf("subject-sother%d", len(w.entries)%7), "ConsentWithdrawn", `{"purpose":"newsletter"}`)
		}
	}
	fill(70)
	main, linked := streamOf(subject), streamOf(linkedSubject)
	of := `{"erasure":"` + erasureID + `"`
	groups := `[{"group":"contact","outcome":"erase","ground":"consent_withdrawn"},` +
		`{"group":"evidence","outcome":"keep","rule":"evidence","until":"2029-12-31T23:00:00Z"},` +
		`{"group":"invoices","outcome":"trim","ground":"no_longer_necessary","rule":"legal_obligation","purpose":"accounting","until":"2036-01-01T00:00:00Z","values":[{"field":"invoice.address"},{"field":"invoice.note","slot":2}]},` +
		`{"group":"record","outcome":"erase","ground":"no_longer_necessary"}]`
	w.add(main, "ErasureOrdered", of+`,"cause":"request","everything":true,"groups":`+groups+`,"due":"2026-01-05T08:30:00Z","linked":["`+linkedSubject+`"],"by":"subject"}`)
	w.add(linked, "ErasureOrdered", of+`,"cause":"request","everything":true,"groups":[{"group":"contact","outcome":"erase","ground":"objected"}],"due":"2026-01-05T08:30:00Z","of":"`+subject+`","by":"subject"}`)
	fill(5)
	w.add(main, "ErasureStarted", of+`,"groups":`+groups+`,"keys":[{"group":"contact","generation":1,"key":"0d4fb1a0-3c5e-8d3f-8a0f-1f6c2f4f1f01"},{"group":"invoices","generation":1,"key":"0d4fb1a0-3c5e-8d3f-8a0f-1f6c2f4f1f02"}],"linked":["`+linkedSubject+`"],"catalogue":12}`)
	w.add(linked, "ErasureStarted", of+`,"groups":[{"group":"contact","outcome":"keep","rule":"hold","purpose":"legal.claims","hold":"5b0e7c1a-9a50-8b2c-8c11-0f3d8a2b4c5d"},{"group":"identity","outcome":"erase","ground":"objected"}],"catalogue":12}`)
	fill(2)
	sinks := `"sinks":[{"sink":"keys","guarantee":"destroyed","at":"2026-01-05T08:49:01.5Z"},{"sink":"lookup","guarantee":"destroyed","at":"2026-01-05T08:49:01.5Z"},{"sink":"view.customers","guarantee":"purge_scheduled","position":1099511627776,"at":"2026-01-05T08:49:02Z"}]`
	w.add(linked, "ErasureCompleted", of+`,`+sinks+`,"dead_from":"2026-01-31T00:00:00Z"}`)
	w.add(main, "ErasureCompleted", of+`,"keys":[{"group":"contact","generation":1,"key":"0d4fb1a0-3c5e-8d3f-8a0f-1f6c2f4f1f01","fingerprint":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","at":"2026-01-05T08:49:01.25Z"},`+
		`{"group":"invoices","generation":1,"key":"0d4fb1a0-3c5e-8d3f-8a0f-1f6c2f4f1f02","at":"2026-01-05T08:49:01.25Z"}],`+sinks+`,"dead_from":"2026-02-28T00:00:00Z","marks":2}`)
	fill(3)
	w.add(main, "ErasureReapplied", of+`,"keys":[{"group":"contact","generation":1,"key":"0d4fb1a0-3c5e-8d3f-8a0f-1f6c2f4f1f01"}]}`)
	fill(200 - len(w.entries))
	return w
}

// proven is an event of a record under the checkpoint of a size.
func (w *world) proven(at, size int) certificate.Proven {
	old := &world{t: w.t, entries: w.entries[:size]}
	path, err := tlog.Inclusion(context.Background(), old, int64(size), rootOf(old.entries), int64(at))
	require.NoError(w.t, err)
	p := tlog.Proof{Extra: w.entries[at], Index: int64(at), Path: path, Checkpoint: w.checkpoint(size)}
	return certificate.Proven{Facts: w.events[at].facts, Proof: p.Marshal()}
}

func (w *world) erasureInput() certificate.Input {
	in := certificate.Input{Checkpoint: w.checkpoint(erasureSize), LogKeys: w.keyList()}
	for _, token := range []string{subject, linkedSubject} {
		var s certificate.Source
		for i := range w.events[:erasureSize] {
			l := &w.events[i].leaf
			if l.Stream == streamOf(token) && strings.HasPrefix(l.Type, "Erasure") {
				s.Events = append(s.Events, w.proven(i, erasureSize))
			}
		}
		in.Records = append(in.Records, s)
	}
	in.Records[0].DeadFrom, in.Records[1].DeadFrom = "2026-02-28T00:00:00.000000Z", "2026-01-31T00:00:00.000000Z"
	in.Records[0].Disclosures = []certificate.Disclosure{
		{Event: "3b5a7f10-1111-8222-8333-444455556666", At: "2025-11-01T10:00:00.000000Z", Purpose: "newsletter", Door: "read", Recipient: "mailer", Fields: []string{"email"}},
		{Event: "3b5a7f10-1111-8222-8333-444455556667", At: "2025-12-01T10:00:00.000000Z", Purpose: "legal.claims", Door: "evidence", Fields: []string{"email", "name.full"}},
	}
	in.Records[0].Openings = []certificate.Opening{
		{Purpose: "customer.service", Door: "read", Count: 17, First: "2025-01-01T10:00:00.000000Z", Last: "2025-12-24T10:00:00.000000Z", Fields: []string{"email", "name.full"}},
	}
	return in
}

// signedBy writes a certificate and signs it as a ledger with these keys does.
func signedBy(t testing.TB, c *certificate.Certificate, signers ...note.Signer) []byte {
	text, err := c.Note()
	require.NoError(t, err)
	c.Signature = string(sign(t, text, signers...))
	out, err := c.Text()
	require.NoError(t, err)
	return out
}

func certificateOf(t testing.TB, in certificate.Input) []byte {
	c, err := certificate.Make(in)
	require.NoError(t, err)
	s, _ := logKey(t, 1)
	return signedBy(t, c, s)
}

func checkCertificate(t testing.TB, text, page []byte, trust Trust) *Report {
	t.Helper()
	r, err := VerifyCertificate(context.Background(), text, page, trust)
	require.NoError(t, err)
	return r
}

func goldenCertificate(t testing.TB) (text, page []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "erasure.json"))
	require.NoError(t, err)
	page, err = os.ReadFile(filepath.Join("testdata", "erasure.html"))
	require.NoError(t, err)
	return text, page
}

func TestGoldenCertificate(t *testing.T) {
	w := erased(t)
	made := certificateOf(t, w.erasureInput())
	if *update {
		c, err := certificate.Parse(made)
		require.NoError(t, err)
		page, err := certificate.Page(c)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "erasure.json"), made, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "erasure.html"), page, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "erasure-newer"), w.checkpoint(200), 0o600))
		path, err := tlog.Consistency(t.Context(), &world{t: t, entries: w.entries}, 200, rootOf(w.entries), erasureSize)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "erasure-consistency"), tlog.MarshalConsistency(erasureSize, 200, path), 0o600))
	}
	text, page := goldenCertificate(t)
	require.Equal(t, string(text), string(made))
	require.True(t, certificate.Is(text))
	r := checkCertificate(t, text, page, trusted(t))
	require.Empty(t, r.Findings)
	require.Equal(t, Verified, r.Outcome, "%v", r.Checks)
	require.Equal(t, &Erasure{
		ID: erasureID, Tokens: []string{subject, linkedSubject}, Completed: "2026-01-05T08:51:11.102422Z",
		Erased: []string{"contact", "identity", "record"}, InPart: []string{"invoices"}, Kept: []string{"contact", "evidence", "invoices"}, Keys: 2,
		Guarantee: "purge_scheduled", DeadFrom: "2026-02-28T00:00:00.000000Z", Signed: true,
	}, r.Erasure)
	require.Equal(t, 7, r.Events)
}

func detailOf(t testing.TB, r *Report, name string) Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return r.Checks[i]
}

// Whoever vouches for the tree does not vouch for what only the log's
// signature says.
func TestWhoVouchesForACertificate(t *testing.T) {
	w := erased(t)
	text, _ := goldenCertificate(t)
	r := checkCertificate(t, text, nil, Trust{})
	require.Equal(t, Unanchored, r.Outcome)
	require.Equal(t, NotDone, detailOf(t, r, CheckTrust).State)
	require.Equal(t, NotDone, detailOf(t, r, CheckSignature).State)
	require.False(t, r.Erasure.Signed)

	r = checkCertificate(t, text, nil, Trust{Checkpoint: w.checkpoint(200), Tiles: w})
	require.Equal(t, Passed, detailOf(t, r, CheckTrust).State, "the tree is vouched for")
	require.Equal(t, Unanchored, r.Outcome, "the signature is not")
	trust := trusted(t)
	trust.Checkpoint, trust.Tiles = w.checkpoint(200), w
	r = checkCertificate(t, text, nil, trust)
	require.Equal(t, Verified, r.Outcome)
	require.Equal(t, Passed, detailOf(t, r, CheckNewer).State)

	_, vkey := logKey(t, 1)
	policy, err := tlog.ParsePolicy([]byte("log " + vkey + "\nquorum none\n"))
	require.NoError(t, err)
	require.Equal(t, Verified, checkCertificate(t, text, nil, Trust{Policy: policy}).Outcome)
	_, other := logKey(t, 2)
	r = checkCertificate(t, text, nil, Trust{Keys: []string{other}})
	require.Equal(t, Found, r.Outcome)
	require.Contains(t, r.Findings[0].What, "no key of the log that counts")
}

// Every byte counts: with any bit of it turned, it is found. Some are turned by
// default, all of them with LETHE_TAMPER_ROUNDS=16.
func TestEveryByteOfACertificateCounts(t *testing.T) {
	testenv.Sequential(t)
	text, page := goldenCertificate(t)
	trust := trusted(t)
	step := testenv.Cases(41, 16)
	if s := os.Getenv("LETHE_TAMPER_ROUNDS"); s != "" {
		times, err := strconv.Atoi(s)
		require.NoError(t, err)
		step = max(1, step/max(1, times))
	}
	for at := step / 2; at < len(text); at += step {
		mine := bytes.Clone(text)
		mine[at] ^= 1 << (at % 8)
		r := checkCertificate(t, mine, nil, trust)
		require.Equal(t, Found, r.Outcome, "byte %d", at)
		require.NotEmpty(t, r.Findings)
	}
	for at := 0; at < len(page); at += 7 * step {
		mine := bytes.Clone(page)
		mine[at] ^= 1
		require.Equal(t, Found, checkCertificate(t, text, mine, trust).Outcome, "byte %d of the page", at)
	}
	require.Equal(t, Found, checkCertificate(t, text, []byte{}, trust).Outcome)
	require.Equal(t, Found, checkCertificate(t, append(bytes.Clone(text), '\n'), nil, trust).Outcome)
	require.Equal(t, Found, checkCertificate(t, nil, nil, trust).Outcome)
}

// What somebody could change who writes everything in its right form again,
// without the log's key or with it: everything is signed, and what the events
// say cannot be otherwise even when the log signs it.
func TestAForgedCertificate(t *testing.T) {
	text, _ := goldenCertificate(t)
	signer, _ := logKey(t, 1)
	changes := map[string]struct {
		change   func(c *certificate.Certificate)
		byEvents bool // found also when the log's key signs it
	}{
		"a disclosure left out": {func(c *certificate.Certificate) { c.Records[0].Disclosures = c.Records[0].Disclosures[1:] }, false},
		"a recipient":           {func(c *certificate.Certificate) { c.Records[0].Disclosures[0].Recipient = "other" }, false},
		"a count":               {func(c *certificate.Certificate) { c.Records[0].Openings[0].Count = 1 }, false},
		"a guarantee":           {func(c *certificate.Certificate) { c.Guarantee = "destroyed" }, true},
		"the statement":         {func(c *certificate.Certificate) { c.Statement = "All is anonymous." }, true},
		"a sink left out":       {func(c *certificate.Certificate) { c.Records[0].Sinks = c.Records[0].Sinks[:2] }, true},
		"a group kept":          {func(c *certificate.Certificate) { c.Records[0].Kept = nil }, true},
		"a group erased":        {func(c *certificate.Certificate) { c.Records[1].Erased = nil }, true},
		"a rule":                {func(c *certificate.Certificate) { c.Records[0].Kept[1].Article = "GDPR 17(3)(a)" }, true},
		"a key":                 {func(c *certificate.Certificate) { c.Records[0].Keys = c.Records[0].Keys[:1] }, true},
		"a date":                {func(c *certificate.Certificate) { c.Records[0].DeadFrom = "2026-01-06T00:00:00.000000Z" }, false},
		"no date":               {func(c *certificate.Certificate) { c.Records[0].DeadFrom = "soon" }, true},
		"a record left out":     {func(c *certificate.Certificate) { c.Records = c.Records[:1] }, true},
		"a record twice":        {func(c *certificate.Certificate) { c.Records = append(c.Records, c.Records[1]) }, true},
		"records exchanged":     {func(c *certificate.Certificate) { slices.Reverse(c.Records) }, true},
		"another person":        {func(c *certificate.Certificate) { c.Records[0].Token = "sother1" }, true},
		"another erasure":       {func(c *certificate.Certificate) { c.Erasure = "7f2d4a6e-2b1c-8d3e-9f40-51626f7a8b9d" }, true},
		"an event left out":     {func(c *certificate.Certificate) { c.Records[0].Events = c.Records[0].Events[:3] }, true},
		"not completed":         {func(c *certificate.Certificate) { c.Records[0].Events = c.Records[0].Events[:2] }, true},
		"events exchanged":      {func(c *certificate.Certificate) { slices.Reverse(c.Records[0].Events) }, true},
		"facts":                 {func(c *certificate.Certificate) { c.Records[0].Events[2].Facts = c.Records[0].Events[2].Facts + " " }, true},
		"a proof of another":    {func(c *certificate.Certificate) { c.Records[0].Events[2].Proof = c.Records[1].Events[2].Proof }, true},
		"an event made up":      {func(c *certificate.Certificate) { reprove(t, c, func(p *tlog.Proof) { p.Extra[40]++ }) }, true},
		"a proof of another size": {func(c *certificate.Certificate) {
			reprove(t, c, func(p *tlog.Proof) { p.Checkpoint = erased(t).checkpoint(91) })
		}, true},
		"a note of its own": {func(c *certificate.Certificate) {
			other, _ := logKey(t, 2)
			reprove(t, c, func(p *tlog.Proof) { p.Checkpoint = erased(t).checkpoint(erasureSize, signer, other) })
		}, true},
		"a tree of its own":       {func(c *certificate.Certificate) { c.Size++ }, true},
		"a list of keys":          {func(c *certificate.Certificate) { c.LogKeys = strings.Replace(c.LogKeys, "from 0", "from 1", 1) }, true},
		"no events":               {func(c *certificate.Certificate) { c.Records[0].Events = nil }, true},
		"no records":              {func(c *certificate.Certificate) { c.Records = nil }, true},
		"a hash of another tree":  {func(c *certificate.Certificate) { c.Root = strings.ToLower(c.Root) }, true},
		"another format":          {func(c *certificate.Certificate) { c.Format = "lethe-erasure-certificate/2" }, true},
		"a checkpoint without it": {func(c *certificate.Certificate) { c.Checkpoint = string(erased(t).checkpoint(20)) }, true},
	}
	for name, forged := range changes {
		t.Run(name, func(t *testing.T) {
			c, err := certificate.Parse(text)
			require.NoError(t, err)
			forged.change(c)
			mine, err := c.Text()
			require.NoError(t, err)
			r := checkCertificate(t, mine, nil, trusted(t))
			require.Equal(t, Found, r.Outcome)
			r = checkCertificate(t, signedBy(t, c, signer), nil, trusted(t))
			require.Equal(t, forged.byEvents, r.Outcome == Found, "%v", r.Findings)
		})
	}
}

// reprove changes the proof of the first record's start.
func reprove(t *testing.T, c *certificate.Certificate, change func(*tlog.Proof)) {
	e := &c.Records[0].Events[1]
	p, err := tlog.ParseProof([]byte(e.Proof))
	require.NoError(t, err)
	change(p)
	e.Proof = string(p.Marshal())
	if again, err := certificate.Make(c.Input()); err == nil { // what is derived of it is made anew as well
		*c = *again
	}
}

// A key that nobody vouches for can make up everything; one that stands beside
// the real one cannot sign for it.
func TestACertificateByAnotherKey(t *testing.T) {
	text, _ := goldenCertificate(t)
	other, otherKey := logKey(t, 2)
	signer, vkey := logKey(t, 1)
	made := func(change func(*certificate.Input), signers ...note.Signer) []byte {
		c, err := certificate.Parse(text)
		require.NoError(t, err)
		in := c.Input()
		change(&in)
		c, err = certificate.Make(in)
		require.NoError(t, err)
		return signedBy(t, c, signers...)
	}
	both := func(in *certificate.Input) {
		list := &tlog.KeyList{Origin: origin}
		for _, k := range []string{vkey, otherKey} {
			list.Keys = append(list.Keys, tlog.LogKey{VKey: k, Until: tlog.Unbounded, Distrusted: tlog.Unbounded})
		}
		in.LogKeys = sign(t, list.Text(), other)
		in.Records[0].DeadFrom, in.Records[1].DeadFrom = "2026-02-28T00:00:00.000000Z", "2026-01-31T00:00:00.000000Z"
		in.Records[0].Disclosures = nil
	}
	_, isOther := logKey(t, 2)
	r := checkCertificate(t, made(both, other), nil, trusted(t))
	require.Equal(t, Found, r.Outcome, "one of two keys is missing")
	r = checkCertificate(t, made(both, other, signer), nil, Trust{Keys: []string{isOther}})
	require.NotEqual(t, Verified, r.Outcome, "the key did not sign the checkpoint")
	alone := func(in *certificate.Input) {
		list := &tlog.KeyList{Origin: origin, Keys: []tlog.LogKey{
			{VKey: vkey, Until: 10, Distrusted: tlog.Unbounded}, {VKey: otherKey, Until: tlog.Unbounded, Distrusted: tlog.Unbounded},
		}}
		in.LogKeys = sign(t, list.Text(), other)
	}
	require.Equal(t, Found, checkCertificate(t, made(alone, other), nil, trusted(t)).Outcome, "a key of its own did not sign the checkpoint")
	require.Equal(t, Found, checkCertificate(t, made(func(*certificate.Input) {}, other), nil, trusted(t)).Outcome)
	require.Equal(t, Found, checkCertificate(t, made(func(*certificate.Input) {}, signer, other), nil, trusted(t)).Outcome)
}

// The page reaches nowhere, runs nothing and shows names as text.
func TestThePageOfACertificate(t *testing.T) {
	text, page := goldenCertificate(t)
	for _, bad := range []string{"<script", "src=", "http:", "https:", "url(", "@import", "<link", "<iframe", "<img", "[personal]"} {
		require.NotContains(t, string(page), bad)
	}
	for _, shown := range []string{
		"attested, not proven", "invoice.address, invoice.note#2", "GDPR 17(3)(b)", "eu-gdpr:JustificationA17LegallyRequired", "accounting", "2036-01-01",
		"no backup of the keys can revive it from 2026-02-28 00:00:00 UTC on", "were there again", "mailer", "whoever asked", "purge scheduled", "the key was not there: it is fenced",
		"a legal hold keeps it for claims", linkedSubject,
	} {
		require.Contains(t, string(page), shown)
	}
	c, err := certificate.Parse(text)
	require.NoError(t, err)
	c.Records[0].Disclosures[0].Recipient = `<script>alert("x")</script>`
	escaped, err := certificate.Page(c)
	require.NoError(t, err)
	require.NotContains(t, string(escaped), "<script")
	require.Contains(t, string(escaped), "&lt;script&gt;")
}

// Any program that reads JSON reads a certificate.
func TestACertificateIsOrdinaryJSON(t *testing.T) {
	text, _ := goldenCertificate(t)
	var any map[string]any
	require.NoError(t, json.Unmarshal(text, &any))
	require.Equal(t, certificate.Format, any["format"])
	for line := range strings.Lines(string(text)) {
		require.True(t, strings.HasSuffix(line, "\n"))
	}
}

// A certificate that is verified is the one of its bytes.
func FuzzCertificate(f *testing.F) {
	text, _ := goldenCertificate(f)
	f.Add(text)
	f.Add([]byte(`{"format":"lethe-erasure-certificate/1"}`))
	trust := trusted(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := VerifyCertificate(context.Background(), b, nil, trust)
		require.NoError(t, err)
		if r.Outcome == Verified {
			require.Equal(t, string(text), string(b))
		}
		if c, err := certificate.Parse(b); err == nil {
			again, err := c.Text()
			require.NoError(t, err)
			require.Equal(t, string(b), string(again))
			page, err := certificate.Page(c)
			require.NoError(t, err)
			require.NotContains(t, string(page), "<script")
		}
	})
}

func TestErasureTimesAreWhole(t *testing.T) {
	require.Equal(t, "2026-01-05T08:49:01.500000Z", certificate.Stamp(time.Date(2026, 1, 5, 8, 49, 1, 5e8, time.UTC)))
}
