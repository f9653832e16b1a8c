package archtest

import (
	"bytes"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTopLevelNames(t *testing.T) {
	allowed := []string{
		"cmd", "domain", "projections", "eventstore", "internal", "scripts", "docs",
		"docker-compose.yml", "Makefile", "go.mod", "go.sum", "README.md", "CHANGELOG.md", "LICENSE",
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !ignored(name) {
			assert.Contains(t, allowed, name)
		}
	}
}

// What the project does not name: places outside itself and how it was made.
// The words are put together here so that this file does not hold them.
func TestWords(t *testing.T) {
	forbidden := []*regexp.Regexp{
		regexp.MustCompile(`/wor` + `k/(main|shared|\.)`),
		regexp.MustCompile(`(?i)\bissue ?#?\d+\b`),
		regexp.MustCompile(`(?i)\b(this|previous|earlier|next|another) sess` + `ion\b`),
		regexp.MustCompile(`\bthe le` + `ad\b`),
		regexp.MustCompile(`\b(CO` + `RE|ARCHITEC` + `TURE|COMPLI` + `ANCE|ENG` + `INES|KE` + `YS) \d`),
		regexp.MustCompile(`\bdesign (page|folder)\b`),
		regexp.MustCompile(`(proxy\.gola` + `ng\.org|registry\.np` + `mjs|ghc` + `r\.io|docke` + `r\.io|qua` + `y\.io|pyp` + `i\.org|repo1?\.mav` + `en)`),
		regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`),
	}
	outside := regexp.MustCompile(`\.\./shar` + `ed`)
	skipped := []string{"go.sum", "LICENSE"}
	walk(t, func(name string, text []byte) {
		if slices.Contains(skipped, name) || strings.Contains(name, "/testdata/") || path.Base(name) == "go.sum" ||
			!utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, re := range forbidden {
				assert.False(t, re.MatchString(line), "%s:%d: %s", name, i+1, re)
			}
			assert.False(t, outside.MatchString(line) && name != ".ci/run", "%s:%d names a path outside the project", name, i+1)
		}
	})
}
