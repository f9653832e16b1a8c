package certificate

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Told is what a letter tells: an erasure over all records of a person.
type Told struct {
	Language    string // en or de
	GDPR        bool   // the GDPR or its UK form applies: articles are named
	Cause       string
	BySubject   bool // the person asked, not somebody for them
	Everything  bool
	Ordered     time.Time
	Completed   time.Time // zero: nothing was erased
	Erased      []ToldGroup
	Kept        []ToldKept
	Guarantee   string
	DeadFrom    time.Time // zero: not known
	Marks       bool
	Recipients  []ToldRecipient
	Controllers []Contact
}

// ToldGroup is a retention group of which something went, once for all records.
type ToldGroup struct {
	Group  string
	Extent string
	Fields []string // what it held, or which values went
	Left   []string // fields of which values stay in it
	Ground string
}

// ToldKept is a group that stays, or what is left of one that went in part.
type ToldKept struct {
	Group, Rule, Purpose string
	Until                time.Time
	Rest                 bool
}

// ToldRecipient is somebody who had received data before.
type ToldRecipient struct {
	Name   string // "" = the records name nobody
	Fields []string
	Last   time.Time
}

// Contact is a controller, as it declares itself.
type Contact struct{ Name, Address, Contact, Email, Phone, Officer, PolicyURL string }

// Letter is a letter that was composed: blocks without a form.
type Letter struct {
	Language string
	From     []string
	Title    string
	Sections []Section
}

// Section is a part of a letter. Its title may be empty.
type Section struct {
	Title string
	Text  []string // paragraphs, before Items
	Items []string
	After []string // paragraphs behind them
	Lines bool     // Items are lines of an address
}

// Languages are those that letters are written in.
func Languages() []string { return []string{"en", "de"} }

// Compose writes a letter in the language that is told, English for others.
func Compose(t Told) Letter {
	p := phrasesOf(t.Language)
	l := Letter{Language: p.language, Title: p.title}
	for _, c := range t.Controllers {
		l.From = append(l.From, c.block()...)
	}
	opening := Section{Text: []string{p.opening(&t)}}
	if t.Completed.IsZero() {
		opening.Text = append(opening.Text, p.nothing)
	}
	l.Sections = append(l.Sections, opening)
	if len(t.Erased) > 0 {
		l.Sections = append(l.Sections, erasedSection(p, &t))
	}
	l.Sections = append(l.Sections, keptSection(p, &t))
	if t.Everything || t.Marks {
		l.Sections = append(l.Sections, alsoSection(p, &t))
	}
	if !t.Completed.IsZero() {
		l.Sections = append(l.Sections, givenSection(p, &t))
	}
	complain := p.complain
	if t.GDPR {
		complain = p.complainGDPR
	}
	l.Sections = append(l.Sections, Section{Title: p.complainTitle, Text: complain})
	for _, c := range t.Controllers {
		l.Sections = append(l.Sections, Section{Title: p.contactTitle, Items: c.lines(p), Lines: true})
	}
	return l
}

func erasedSection(p *phrases, t *Told) Section {
	s := Section{Title: p.erasedTitle}
	for _, g := range t.Erased {
		what := p.group(g.Group)
		switch g.Extent {
		case Superseded:
			what = fmt.Sprintf(p.superseded, what)
		case Values:
			what = fmt.Sprintf(p.single, what)
		}
		if len(g.Fields) > 0 {
			what += " (" + strings.Join(g.Fields, ", ") + ")"
		}
		item := what + ": " + p.ground(g.Ground) + cited(p, t, groundOf(g.Ground)) + "."
		if len(g.Left) > 0 {
			item += " " + fmt.Sprintf(p.left, strings.Join(g.Left, ", "))
		}
		s.Items = append(s.Items, item)
	}
	how := p.deleted
	switch t.Guarantee {
	case "destroyed":
		how = p.destroyed
	case "fenced":
		how = p.fenced
	}
	s.After = append(s.After, fmt.Sprintf(how, p.date(t.Completed)))
	if t.DeadFrom.IsZero() {
		s.After = append(s.After, p.deadUnknown)
	} else {
		s.After = append(s.After, fmt.Sprintf(p.deadFrom, p.date(t.DeadFrom)))
	}
	return s
}

func keptSection(p *phrases, t *Told) Section {
	s := Section{Title: p.keptTitle}
	for _, k := range t.Kept {
		s.Items = append(s.Items, keptItem(p, t, &k))
	}
	s.Text = []string{p.kept}
	if len(t.Kept) == 0 {
		s.Text = []string{p.keptNothing}
	}
	if !t.Everything {
		s.After = append(s.After, p.others)
	}
	s.After = append(s.After, p.keptFacts)
	return s
}

func keptItem(p *phrases, t *Told, k *ToldKept) string {
	rule := ruleOf(k.Rule)
	what := p.group(k.Group)
	if k.Rest {
		what = fmt.Sprintf(p.rest, what)
	}
	item := what + ": " + p.rule(k.Rule) + cited(p, t, rule) + "."
	switch {
	case k.Purpose == "":
	case rule.exception:
		item += " " + fmt.Sprintf(p.keptFor, k.Purpose)
	default:
		item += " " + fmt.Sprintf(p.keptIn, k.Purpose)
	}
	if k.Until.IsZero() {
		return item + " " + p.untilUnknown
	}
	return item + " " + fmt.Sprintf(p.until, p.date(k.Until))
}

func alsoSection(p *phrases, t *Told) Section {
	s := Section{Title: p.alsoTitle}
	if t.Everything {
		s.Items = append(s.Items, p.withdrawn, p.objected)
	}
	if t.Marks {
		s.Items = append(s.Items, p.marks)
	}
	return s
}

func givenSection(p *phrases, t *Told) Section {
	s := Section{Title: p.givenTitle}
	if len(t.Recipients) == 0 {
		s.Text = []string{p.givenNobody}
		return s
	}
	s.Text = []string{p.given}
	for _, r := range t.Recipients {
		name := r.Name
		if name == "" {
			name = p.somebody
		}
		s.Items = append(s.Items, fmt.Sprintf(p.givenItem, printed(name), strings.Join(r.Fields, ", "), p.date(r.Last)))
	}
	s.After = []string{p.givenAfter}
	return s
}

// cited is the article in brackets, where it applies to the person.
func cited(p *phrases, t *Told, r rule) string {
	article, ok := strings.CutPrefix(r.article, "GDPR ")
	if !t.GDPR || !ok {
		return ""
	}
	return " (" + fmt.Sprintf(p.article, p.paragraphs(article)) + ")"
}

// printed takes out of a name or address what no letter has.
func printed(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// block is the head of the letter: name and address.
func (c Contact) block() (lines []string) {
	return append(textLines(c.Name), textLines(c.Address)...)
}

func (c Contact) lines(p *phrases) []string {
	lines := c.block()
	for _, line := range []struct{ label, text string }{
		{"", c.Contact}, {"", c.Email}, {"", c.Phone}, {p.officer + ": ", c.Officer}, {"", c.PolicyURL},
	} {
		for _, text := range textLines(line.text) {
			lines = append(lines, line.label+text)
		}
	}
	return lines
}

// textLines are the lines of a text that are not empty.
func textLines(text string) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, printed(line))
		}
	}
	return lines
}

const lineWidth = 76

// Text is the letter as plain text, UTF-8, in lines of at most 76 characters
// where words allow it.
func (l Letter) Text() []byte {
	var b strings.Builder
	for _, line := range l.From {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n\n" + l.Title + "\n" + strings.Repeat("=", utf8.RuneCountInString(l.Title)) + "\n")
	for _, s := range l.Sections {
		b.WriteString("\n")
		if s.Title != "" {
			b.WriteString(s.Title + "\n" + strings.Repeat("-", utf8.RuneCountInString(s.Title)) + "\n")
		}
		for i, text := range s.Text {
			if i > 0 {
				b.WriteString("\n")
			}
			wrap(&b, "", text)
		}
		if len(s.Items) > 0 && len(s.Text) > 0 {
			b.WriteString("\n")
		}
		for _, item := range s.Items {
			if s.Lines {
				b.WriteString(item + "\n")
				continue
			}
			wrap(&b, "- ", item)
		}
		for _, text := range s.After {
			b.WriteString("\n")
			wrap(&b, "", text)
		}
	}
	return []byte(strings.TrimLeft(b.String(), "\n"))
}

// wrap breaks a text into lines; those behind the first are indented as far
// as the mark before it.
func wrap(b *strings.Builder, mark, text string) {
	line, width := mark, utf8.RuneCountInString(mark)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n > lineWidth:
			b.WriteString(line + "\n")
			line, width = strings.Repeat(" ", len(mark)), len(mark)
		default:
			line, width = line+" ", width+1
		}
		line, width = line+word, width+n
	}
	b.WriteString(line + "\n")
}

//go:embed letter.html.tmpl
var letterText string

// HTML is the letter as a page to print. It reaches nowhere and runs nothing.
func (l Letter) HTML() ([]byte, error) {
	t, err := template.New("letter").Parse(letterText)
	if err != nil {
		return nil, fmt.Errorf("reading the letter's page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, l); err != nil {
		return nil, fmt.Errorf("writing the letter's page: %w", err)
	}
	return b.Bytes(), nil
}
