package subject

import (
	"fmt"
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/access"
)

// shutFields are the needed fields of a question that are denied by what they
// are, rows a and b, while others may be given.
type shutFields struct {
	erased, kept []domain.Name
	left         []domain.Name  // of kept: all that there is had to stay of an earlier lifecycle
	linked       []domain.Token // closed records of the same person, which bind this one
}

func (s *shutFields) note(j *judge, f domain.Name, v *verdict) {
	switch v.reason {
	case access.RuleErased:
		s.erased = append(s.erased, f)
		if v.linked != "" && !slices.Contains(s.linked, v.linked) {
			s.linked = append(s.linked, v.linked)
		}
	case access.RuleKept:
		s.kept = append(s.kept, f)
		of := func(x Field) bool { return x.Field == f && x.Earlier > 0 }
		if held := j.fields(); slices.ContainsFunc(held, of) && !Anew(held, f) {
			s.left = append(s.left, f)
		}
	default:
	}
}

// tell names the fields in a no of theirs, what binds them, and what is given
// when it is named.
func (s *shutFields) tell(a *Answer, asked, given []domain.Name) {
	if a.Allowed || a.Reason != access.RuleErased && a.Reason != access.RuleKept {
		return
	}
	closed := slices.Concat(s.erased, s.left)
	var parts []string
	if len(s.erased) > 0 && (len(s.erased) < len(asked) || len(s.linked) > 0) {
		parts = append(parts, list(s.erased)+": erased, or about to be")
	}
	if len(s.linked) > 0 {
		parts = append(parts, fmt.Sprintf("the linked record %s is closed and binds this one, until it is reopened as well (lethe erase reopen)",
			list(s.linked)))
	}
	if len(s.kept) > 0 && len(s.kept) < len(asked) {
		parts = append(parts, list(s.kept)+": kept for another purpose alone")
	}
	if len(closed) < len(asked) {
		a.Closed = closed
	}
	if len(given) > 0 {
		parts = append(parts, "other fields are given when they are named (--fields, fields=): "+list(given))
	}
	if len(parts) > 0 {
		a.Message = strings.Join(parts, "; ")
	}
}

func list[S ~string](names []S) string {
	var all []string
	for _, n := range names {
		all = append(all, string(n))
	}
	return strings.Join(all, ", ")
}
