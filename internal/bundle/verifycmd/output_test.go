package verifycmd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/bundle"
)

func TestOneOfEach(t *testing.T) {
	var last uint64
	text := human("x.zip", &bundle.Report{Revision: &last, Subject: "s", Events: 1, Disclosed: 1, Sealed: 2, Entry: &bundle.Entry{Sealed: 1}}, nil)
	require.Contains(t, text, "s, revisions 0 to 0, 1 event in all, 1 value disclosed, 2 not\n")
	require.Contains(t, text, " 1 sealed value\n")
	text = human("x.zip", &bundle.Report{Revision: &last, Subject: "s", Events: 2, Entry: &bundle.Entry{}}, nil)
	require.Contains(t, text, "2 events in all, 0 values disclosed, 0 not\n")
	require.Contains(t, text, " 0 sealed values\n")
}
