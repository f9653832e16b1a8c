package httpapi

import "lethe/internal/auth"

// Actions tells what each operation asks of its caller, by "METHOD /path".
func (s *API) Actions() map[string]auth.Action {
	actions := map[string]auth.Action{}
	for pattern, r := range s.routes {
		actions[pattern] = r.action
	}
	return actions
}

// Status is the status that an error is answered with.
func StatusOf(err error) int { return problem(nil, err).Status }

// WithoutDirectories is what callers are told of a reason.
func WithoutDirectories(why string) string { return directories.ReplaceAllString(why, "$1") }
