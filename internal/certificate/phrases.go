package certificate

import (
	"fmt"
	"strings"
	"time"
)

// phrases are what a letter says in one language. Formats take what their
// names say, in that order.
type phrases struct {
	language, title string

	nothing                                    string
	erasedTitle, superseded, single            string // group
	left, others                               string // fields
	destroyed, deleted, fenced                 string // date
	deadFrom, deadUnknown                      string // date
	keptTitle, kept, keptNothing, keptFacts    string
	keptFor, keptIn, rest                      string // purpose
	until, untilUnknown                        string // date
	alsoTitle, withdrawn, objected, marks      string
	givenTitle, given, givenNobody, givenAfter string
	givenItem                                  string // name, fields, date
	somebody, article                          string // article: its number
	complainTitle                              string
	complain, complainGDPR                     []string
	contactTitle, officer                      string
	opened                                     map[string]string // by cause; date of the order
	openedFor                                  string            // a request by somebody else; date
	grounds, rules, groups                     map[string]string
	months                                     [12]string
	paragraph, letter                          string // signs of a numbered paragraph and a lettered point; "" = brackets, as the law itself has them
	dateForm                                   string // day, month, year
}

func phrasesOf(language string) *phrases {
	if language == "de" {
		return german()
	}
	return english()
}

func (p *phrases) date(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf(p.dateForm, t.Day(), p.months[t.Month()-1], t.Year())
}

func (p *phrases) opening(t *Told) string {
	form := p.opened[t.Cause]
	if t.Cause == "request" && !t.BySubject {
		form = p.openedFor
	}
	if form == "" {
		form = p.opened["decision"]
	}
	return fmt.Sprintf(form, p.date(t.Ordered))
}

func (p *phrases) ground(name string) string { return in(p.grounds, name) }
func (p *phrases) rule(name string) string   { return in(p.rules, name) }
func (p *phrases) group(name string) string {
	if said, ok := p.groups[name]; ok {
		return said
	}
	return name
}

// paragraphs writes the number of an article as the language has it: 17(3)(b)
// is "17 Abs. 3 lit. b" in German.
func (p *phrases) paragraphs(article string) string {
	if p.paragraph == "" {
		return article
	}
	var b strings.Builder
	for i := 0; i < len(article); i++ {
		end := strings.IndexByte(article[i:], ')')
		if article[i] != '(' || end < 0 {
			b.WriteByte(article[i])
			continue
		}
		of, sign := article[i+1:i+end], p.letter
		if of[0] >= '0' && of[0] <= '9' {
			sign = p.paragraph
		}
		b.WriteString(" " + sign + " " + of)
		i += end
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func in(m map[string]string, name string) string {
	if said, ok := m[name]; ok {
		return said
	}
	return words(name)
}
