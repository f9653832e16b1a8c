package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"lethe/domain"
)

// An ETag is the revision of what the answer shows, in quotes; a dash and
// further numbers follow where the answer depends on more than the record.
// If-Match reads the revision alone.
func etag(revision uint64, also ...uint64) string {
	s := `"` + strconv.FormatUint(revision, 10)
	for _, n := range also {
		s += "-" + strconv.FormatUint(n, 10)
	}
	return s + `"`
}

var errBadMatch = &domain.Error{
	Kind: domain.KindInvalid, Code: "request.precondition", Field: "If-Match",
	Message: "If-Match takes one ETag as it was answered, in its quotes",
}

func parseIfMatch(values []string) (*uint64, error) {
	if len(values) == 0 {
		return nil, nil
	}
	v := strings.TrimSpace(values[0])
	if len(values) > 1 || len(v) < 3 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, errBadMatch
	}
	number, _, _ := strings.Cut(v[1:len(v)-1], "-")
	revision, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil, errBadMatch
	}
	return &revision, nil
}

// fresh reports whether an If-None-Match names the tag.
func fresh(ifNoneMatch, tag string) bool {
	if ifNoneMatch == "" {
		return false
	}
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// notModified is a 304 with its headers. Whatever had to be recorded before
// the data could be shown was recorded.
type notModified struct{ header http.Header }

func unchanged(tag string) error {
	return &notModified{header: http.Header{"Etag": {tag}}}
}

func (*notModified) Error() string             { return "not modified" }
func (*notModified) GetStatus() int            { return http.StatusNotModified }
func (n *notModified) GetHeaders() http.Header { return n.header }
