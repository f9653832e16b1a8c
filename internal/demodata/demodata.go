// Package demodata makes up the customers of a CRM, as a CSV file and the
// mapping that imports it. Nobody in it exists.
//
// The same options give the same bytes, on every machine. E-mail addresses
// are under domains reserved for examples; telephone numbers are from the
// ranges that regulators reserve for fiction while those last, and after that
// under +999, which no country has.
//
// About one person in twenty-five has a name that breaks careless software,
// and one in fifty shares an e-mail address with the person before.
package demodata

import (
	"bufio"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

//go:embed mapping.yaml
var mapping string

// Mapping is the mapping file that goes with WriteCSV's output.
func Mapping() string { return mapping }

// Options of a file.
type Options struct {
	People int    // at most 10 million
	Seed   uint64 // another seed, other people
}

const maxPeople = 10_000_000

// header is the columns, in order.
func header() []string {
	return []string{
		"customer_no", "title", "given_name", "family_name", "gender", "birth_date", "email", "phone", "mobile",
		"company", "job_title", "street", "postcode", "city", "country", "language", "note",
		"no_email", "no_phone", "no_post", "do_not_contact", "created",
	}
}

// WriteCSV writes a header and one line a person. Memory does not grow with
// their number.
func WriteCSV(w io.Writer, o Options) error {
	if o.People < 0 || o.People > maxPeople {
		return fmt.Errorf("making up people: their number must be 0 to %d", maxPeople)
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	out := csv.NewWriter(buffered)
	if err := out.Write(header()); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	g := newGenerator(o.Seed)
	for i := range o.People {
		if err := out.Write(g.person(i)); err != nil {
			return fmt.Errorf("writing a person: %w", err)
		}
	}
	out.Flush()
	if err := errors.Join(out.Error(), buffered.Flush()); err != nil {
		return fmt.Errorf("writing people: %w", err)
	}
	return nil
}

type generator struct {
	rand   *rand.Rand
	fake   *gofakeit.Faker
	places []place
	odd    []name
	phones map[string]int // numbers used of each range
	email  string         // of the person before
	row    []string
}

func newGenerator(seed uint64) *generator {
	r := rand.New(rand.NewPCG(seed, 0x1e74e)) //nolint:gosec // made-up data, not a secret
	return &generator{
		rand: r, fake: gofakeit.NewFaker(r, false), places: places(), odd: oddNames(),
		phones: map[string]int{}, row: make([]string, 0, len(header())),
	}
}

// chance is true in share of a thousand.
func (g *generator) chance(share int) bool { return g.rand.IntN(1000) < share }

func pick[T any](g *generator, of []T) T { return of[g.rand.IntN(len(of))] }

func (g *generator) person(i int) []string {
	p := pick(g, g.places)
	who := name{pick(g, p.given), pick(g, p.family)}
	if i%25 == 24 {
		who = g.odd[(i/25)%len(g.odd)]
	}
	g.row = append(g.row[:0],
		"C"+strconv.Itoa(100_000+i), g.title(), who.given, who.family, g.gender(), g.birthDate(),
		g.address(i), g.phone(p, false), g.phone(p, true))
	g.row = append(g.row, g.work()...)
	g.row = append(g.row, g.fake.Street(), g.postcode(p), pick(g, p.cities), p.country, p.language, g.note())
	g.row = append(g.row, g.flag(60), g.flag(30), g.flag(20), g.flag(8), g.created())
	return g.row
}

func (g *generator) title() string {
	if g.chance(60) {
		return pick(g, []string{"Dr.", "Prof. Dr.", "Dipl.-Ing.", "Mag.", "Sir"})
	}
	return ""
}

// gender as a CRM has it: letters, and often nothing.
func (g *generator) gender() string { return pick(g, []string{"f", "f", "m", "m", "x", "", ""}) }

const day = 24 * time.Hour

// birthDate is between 1930 and 2014, so that some are children.
func (g *generator) birthDate() string {
	if g.chance(250) {
		return ""
	}
	return time.Date(1930, time.January, 1, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(g.rand.IntN(84*365)) * day).Format(time.DateOnly)
}

func (g *generator) address(i int) string {
	switch {
	case g.chance(20) && g.email != "":
		return g.email
	case g.chance(50):
		return ""
	}
	host := pick(g, []string{"example.com", "example.org", "example.net", "Mail.Example", "post.example"})
	local := pick(g, []string{"info", "me", "hello", "first.last", "o'neill", "user+crm", "UPPER", "x"})
	g.email = local + "." + strconv.Itoa(i) + "@" + host
	return g.email
}

// phone takes the next number of the country's reserved range.
func (g *generator) phone(p place, mobile bool) string {
	if g.chance(450) {
		return ""
	}
	r := p.landline
	if mobile {
		r = p.mobile
	}
	n := g.phones[r.prefix]
	g.phones[r.prefix]++
	if r.count == 0 || n >= r.count {
		n = g.phones["+999"]
		g.phones["+999"]++
		return fmt.Sprintf("+999 %03d %06d", n/1_000_000, n%1_000_000)
	}
	return r.prefix + fmt.Sprintf("%0*d", r.digits, r.first+n)
}

func (g *generator) work() []string {
	if g.chance(600) {
		return []string{"", ""}
	}
	return []string{g.fake.Company(), g.fake.JobTitle()}
}

func (g *generator) postcode(p place) string {
	return strings.Map(func(c rune) rune {
		switch c {
		case '#':
			return rune('0' + g.rand.IntN(10))
		case '?':
			return rune('A' + g.rand.IntN(26))
		}
		return c
	}, p.postcode)
}

func (g *generator) note() string {
	if !g.chance(80) {
		return ""
	}
	return pick(g, []string{
		"Prefers to be called in the morning", "Asked for a quote; \"as soon as possible\"", "Zahlt immer pünktlich, seit 2019",
		"Line one\nline two", "=1+1", "N/A", "Client fidèle ; rappeler", "null", "🎂 in May",
	})
}

func (g *generator) flag(share int) string {
	if g.chance(share) {
		return "yes"
	}
	return ""
}

// created is within the six years before 2026.
func (g *generator) created() string {
	return time.Date(2020, time.January, 1, 8, 0, 0, 0, time.UTC).
		Add(time.Duration(g.rand.IntN(6*365))*day + time.Duration(g.rand.IntN(10*3600))*time.Second).
		Format("2006-01-02 15:04:05")
}
