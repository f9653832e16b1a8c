package keyring

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"lethe/domain/catalogue"
)

// NormaliserVersion is part of what is MACed: rows of another version are
// found no more and are rebuilt. Marks of suppression cannot be: whoever
// changes it must look for marks of the older versions as well.
const NormaliserVersion = 1

// MaxLookupText bounds what is looked up, in bytes; longer texts match nothing.
const MaxLookupText = 1024

// Normalise brings a text to the form in which it is compared: an e-mail to
// NFKC, case-folded, without spaces around it; a phone number to E.164, or
// to its digits when it is no number of the default country; an external ID
// to NFKC without spaces around it. "" matches nothing.
func (k *Keyring) Normalise(kind catalogue.LookupKind, text string) string {
	if len(text) > MaxLookupText {
		return ""
	}
	text = strings.TrimSpace(norm.NFKC.String(text))
	switch kind {
	case catalogue.LookupEmail:
		return norm.NFKC.String(cases.Fold().String(text))
	case catalogue.LookupPhone:
		return normalisePhone(text, k.opts.DefaultCountry)
	case catalogue.LookupExternalID:
		return text
	case catalogue.NoLookup:
	}
	return ""
}

func normalisePhone(text, country string) string {
	if country == "" {
		country = "ZZ" // only numbers with a country prefix parse
	}
	if n, err := phonenumbers.Parse(text, country); err == nil {
		return phonenumbers.Format(n, phonenumbers.E164)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
}
