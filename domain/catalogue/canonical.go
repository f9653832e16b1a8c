package catalogue

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"

	"lethe/domain"
)

const (
	maxValue  = 64 << 10 // bytes of any value
	maxEmail  = 254      // RFC 5321 4.5.3.1.3, without the angle brackets
	maxLocal  = 64       // RFC 5321 4.5.3.1.1
	maxDomain = 253
)

var (
	integerForm = regexp.MustCompile(`^[+-]?[0-9]{1,38}$`)
	decimalForm = regexp.MustCompile(`^[+-]?[0-9]{1,38}(\.[0-9]{1,18})?$`)
	phoneForm   = regexp.MustCompile(`^\+?[0-9]{3,20}$`)
	phoneJoints = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "/", "", "\u00a0", "")
)

// Canonical checks text against the field's type and returns it in the form
// it is stored in. Its *domain.Error names the field and the rule and never
// repeats the value.
func (f *FieldDeclared) Canonical(text string) (string, error) {
	wrong := func(format string, args ...any) (string, error) {
		return "", domain.Invalid("field.type", string(f.ID), string(f.ID)+": "+format, args...).Citing("GDPR 5(1)(d)")
	}
	if len(text) > maxValue {
		return wrong("a value has at most %d bytes", maxValue)
	}
	if !utf8.ValidString(text) {
		return wrong("the value must be UTF-8")
	}
	if f.Type == Text {
		return f.text(text)
	}
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, unicode.IsControl) {
		return wrong("control characters are not allowed")
	}
	canonical, want := "", ""
	switch f.Type {
	case Email:
		canonical, want = email(text), "an e-mail address such as name@example.org"
	case Phone:
		canonical, want = phone(text), "a phone number: digits, with a leading + for the country"
	case Date:
		canonical, want = date(text), "a day that exists, as 2006-01-31"
	case Boolean:
		canonical, want = boolean(text), "true or false"
	case Enumeration:
		canonical, want = f.enumerated(text), "one of the values declared for this field"
	case Integer:
		canonical, want = number(text, integerForm), "a whole number of at most 38 digits"
	case Decimal:
		canonical, want = number(text, decimalForm), "a plain decimal such as -12.5, at most 38 digits before and 18 after the point"
	case Money:
		canonical, want = f.money(text), "an amount and its currency such as 12.50 EUR"
	case Text:
	}
	if canonical == "" {
		return wrong("give %s", want)
	}
	return canonical, nil
}

func (f *FieldDeclared) text(text string) (string, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return "", domain.Invalid("field.type", string(f.ID), "%s: control characters other than line feed and tab are not allowed", f.ID).Citing("GDPR 5(1)(d)")
	}
	if strings.TrimSpace(text) == "" {
		return "", domain.Invalid("field.empty", string(f.ID), "%s: the value is empty; to take a value out, remove the field", f.ID)
	}
	return text, nil
}

// email keeps the local part as it is (its case may matter) and lower-cases
// the domain, whose case never does.
func email(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || len(s) > maxEmail || at > maxLocal || strings.ContainsFunc(s, unicode.IsSpace) {
		return ""
	}
	local, host := s[:at], strings.ToLower(s[at+1:])
	if strings.ContainsAny(local, `@<>(),;:"[]\`) || dotted(local) || !hostname(host) || len(host) > maxDomain || strings.ContainsAny(host, `@<>(),;:"\/_!#$%&'*+=?^{|}~`+"`") {
		return ""
	}
	return local + "@" + host
}

func dotted(s string) bool {
	return strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..")
}

func hostname(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}

func phone(s string) string {
	s = phoneJoints.Replace(s)
	if !phoneForm.MatchString(s) {
		return ""
	}
	return s
}

func date(s string) string {
	if _, err := time.Parse(time.DateOnly, s); err != nil || len(s) != len(time.DateOnly) {
		return ""
	}
	return s
}

func boolean(s string) string {
	if s = strings.ToLower(s); s == "true" || s == "false" {
		return s
	}
	return ""
}

func (f *FieldDeclared) enumerated(s string) string {
	if !slices.Contains(f.Enumeration, domain.Name(s)) {
		return ""
	}
	return s
}

// number keeps the scale ("12.50" stays so), which carries meaning in money.
func number(s string, form *regexp.Regexp) string {
	if !form.MatchString(s) {
		return ""
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite {
		return ""
	}
	if d.IsZero() {
		d.Negative = false
	}
	return d.Text('f')
}

// money is an amount and a currency, which may be left out where the field
// has one of its own.
func (f *FieldDeclared) money(s string) string {
	amount, currency, found := strings.Cut(s, " ")
	if !found {
		currency = string(f.Currency)
	}
	if amount = number(amount, decimalForm); amount == "" || !domain.Currency(currency).Valid() ||
		(f.Currency != "" && string(f.Currency) != currency) {
		return ""
	}
	return amount + " " + currency
}
