package certificate

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// told is an erasure of everything, of which invoices stay.
func told(language string) Told {
	return Told{
		Language: language, GDPR: true, Cause: "request", BySubject: true, Everything: true, Marks: true,
		Ordered:   time.Date(2026, 3, 3, 23, 30, 0, 0, time.FixedZone("west", -3600)),
		Completed: time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC),
		Erased: []ToldGroup{
			{Group: "contact", Extent: Whole, Fields: []string{"email", "name.full", "phone.mobile"}, Ground: "consent_withdrawn"},
			{Group: "invoices", Extent: Values, Fields: []string{"invoice.address"}, Left: []string{"invoice.address", "invoice.number"}, Ground: "no_longer_necessary"},
			{Group: "identity", Extent: Superseded, Ground: "no_longer_necessary"},
			{Group: "record", Extent: Whole, Ground: "objected"},
		},
		Kept: []ToldKept{
			{Group: "invoices", Rule: "legal_obligation", Purpose: "accounting", Until: time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC), Rest: true},
			{Group: "service", Rule: "contract_running", Purpose: "customer.service"},
			{Group: "evidence", Rule: "evidence", Until: time.Date(2029, 12, 31, 0, 0, 0, 0, time.UTC)},
		},
		Guarantee: "destroyed", DeadFrom: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		Recipients: []ToldRecipient{
			{Fields: []string{"email"}, Last: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			{Name: "Mailing & Söhne <GmbH>", Fields: []string{"email", "name.full"}, Last: time.Date(2025, 12, 24, 0, 0, 0, 0, time.UTC)},
		},
		Controllers: []Contact{{
			Name: "Buchhandlung Lindenblatt GmbH", Address: "Gasse 3\n10115 Berlin\n\n", Contact: "Customer service", Email: "privacy@shop.example",
			Phone: "+4930123456", Officer: "dpo@shop.example", PolicyURL: "https://shop.example/privacy",
		}},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(name, got, 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestLetters(t *testing.T) {
	for _, language := range Languages() {
		l := Compose(told(language))
		text := l.Text()
		golden(t, "letter."+language+".txt", text)
		page, err := l.HTML()
		require.NoError(t, err)
		golden(t, "letter."+language+".html", page)
		for line := range strings.Lines(string(text)) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), lineWidth, line)
		}
		require.NotContains(t, string(page), "<GmbH>")
		for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "%!"} {
			require.NotContains(t, string(page), bad)
			require.NotContains(t, string(text), bad)
		}
	}
	require.Equal(t, Compose(told("en")), Compose(told("xx")), "English for others")
}

// A letter promises no more than the stores do, cites no law that does not
// apply, and says when nothing was erased.
func TestWhatALetterDoesNotSay(t *testing.T) {
	text := func(change func(*Told)) string {
		in := told("en")
		change(&in)
		return strings.Join(strings.Fields(string(Compose(in).Text())), " ")
	}
	all := text(func(*Told) {})
	require.Contains(t, all, "we destroyed the keys")
	require.Contains(t, all, "(Article 17(3)(b) GDPR)")
	weak := text(func(in *Told) { in.Guarantee, in.DeadFrom = "purge_scheduled", time.Time{} })
	require.NotContains(t, weak, "we destroyed")
	require.Contains(t, weak, "on a schedule of its own")
	require.Contains(t, weak, "cannot yet name the day")
	fenced := text(func(in *Told) { in.Guarantee = "fenced" })
	require.Contains(t, fenced, "as far as they were there")
	require.NotContains(t, fenced, "every copy that we control")
	elsewhere := text(func(in *Told) { in.GDPR = false })
	require.NotContains(t, elsewhere, "GDPR")
	require.NotContains(t, elsewhere, "Article")
	require.Contains(t, elsewhere, "complain to the authority")
	nothing := text(func(in *Told) { in.Completed, in.Erased, in.Everything, in.Marks = time.Time{}, nil, false, false })
	require.Contains(t, nothing, "Nothing of it may be erased now")
	require.NotContains(t, nothing, "handed over")
	require.NotContains(t, nothing, "What else follows")
	require.Contains(t, text(func(in *Told) { in.BySubject = false }), "asked on your behalf")
	require.Contains(t, text(func(in *Told) { in.Recipients = nil }), "to nobody outside")
	require.Contains(t, text(func(in *Told) { in.Kept = nil }), "nothing stays")
	require.Contains(t, all, "single values of invoices (invoice.address)")
	require.Contains(t, all, "Other values of it stay (invoice.address, invoice.number).")
	require.NotContains(t, all, "not about")
	require.Contains(t, text(func(in *Told) { in.Everything, in.Kept = false, nil }), "nothing stays. Data about you that this erasure was not about is not touched by it.")
	odd := text(func(in *Told) { in.Controllers[0].Name, in.Recipients[0].Name = "Acme\x1b[2J\u202e", "x\x07\xff" })
	for _, bad := range []string{"\x1b", "\u202e", "\x07", "\xff"} {
		require.NotContains(t, odd, bad)
	}
}

// Both languages say everything that there is to say.
func TestEveryPhraseIsThere(t *testing.T) {
	for _, language := range Languages() {
		p := phrasesOf(language)
		require.Equal(t, language, p.language)
		for _, g := range grounds {
			require.NotEmpty(t, p.grounds[string(g)], g)
		}
		for _, r := range rules {
			require.NotEmpty(t, p.rules[string(r)], r)
		}
		for _, c := range causes {
			require.Contains(t, p.opened[string(c)], "%s", c)
		}
		require.Equal(t, "unknown rule", p.rule("unknown_rule"))
		in := told(language)
		in.Cause = "unknown"
		require.NotContains(t, string(Compose(in).Text()), "%!")
	}
}
