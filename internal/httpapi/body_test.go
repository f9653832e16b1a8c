package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is wrong with a body is told by what the operation knows, never by what
// was sent.
func TestAWrongBodyIsToldByWhatIsKnown(t *testing.T) {
	w := newWorld(t)
	w.declare()
	ada := w.person("ada@example.com")
	erasure := "/v1/subjects/" + ada + "/erasure"
	for _, c := range []struct {
		path, code, field, says string
		body                    m
	}{
		{erasure, "request.malformed", "body", "it is none of everything, ", m{"canary": true}},
		{erasure, "request.malformed", "values[0]", "it is none of field, ", m{"values": []m{{"canary": "x"}}}},
		{erasure, "request.malformed", "values[0].slot", "null is no number", m{"values": []m{{"field": "email", "slot": nil}}}},
		{erasure, "request.value", "ground", "ground is one of: ", m{"everything": true, "ground": "canary"}},
		{erasure, "request.value", "grace", "such as P7D", m{"everything": true, "grace": "7d-canary"}},
		{erasure, "request.value", "groups[0]", "lower-case letters", m{"groups": []string{"Canary"}}},
		{"/v1/retention/drop", "request.value", "older_than", "such as P7D", m{"older_than": "24h-canary"}},
	} {
		a := w.do("POST", c.path, c.body)
		require.Equal(t, c.code, a.text("code"), "%v", c.body)
		require.Equal(t, c.field, a.text("field"))
		require.Contains(t, a.text("detail"), c.says)
		require.NotContains(t, a.text("detail"), "anary")
		require.NotContains(t, a.text("detail"), "openapi")
	}
}
