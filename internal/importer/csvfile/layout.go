package csvfile

import (
	"errors"
	"regexp"
	"strings"
)

// Date layouts are written with YYYY, MM or M, DD or D, HH, mm, ss, and MMM
// for the English short name of the month. Two-digit years are not read: of
// which century a birth date is, no file tells.
var layoutToken = regexp.MustCompile(`[A-Za-z]+`)

var layoutWords = map[string]string{
	"YYYY": "2006", "MMM": "Jan", "MM": "01", "M": "1", "DD": "02", "D": "2",
	"HH": "15", "mm": "04", "ss": "05", "T": "T", "Z": "Z07:00",
	"YYYYMMDD": "20060102", "DDT": "02T", "DDTHH": "02T15", "ssZ": "05Z07:00",
}

var errLayout = errors.New("needed is a layout of YYYY, MM or M or MMM, DD or D, HH, mm, ss with marks between them")

// parseLayout turns such a layout into one of package time.
func parseLayout(s string) (string, error) {
	bad := s == "" || strings.ContainsAny(s, "0123456789")
	out := layoutToken.ReplaceAllStringFunc(s, func(word string) string {
		w, ok := layoutWords[word]
		bad = bad || !ok
		return w
	})
	if bad || !strings.Contains(out, "2006") {
		return "", errLayout
	}
	return out, nil
}
