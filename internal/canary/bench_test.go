package canary_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/canary"
)

func dictionary(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("person.%d.of.%d@mail%d.example", i, i%97, i%1013)
	}
	return out
}

func BenchmarkCompile(b *testing.B) {
	words := dictionary(1_000_000)
	for b.Loop() {
		_, err := canary.Compile(words, canary.Options{})
		require.NoError(b, err)
	}
}

// Ciphertext, and JSON as facts are.
func BenchmarkScan(b *testing.B) {
	const size = 16 << 20
	facts := []byte(`{"purpose":"customer.service","version":1,"items":[{"field":"email","class":"provided","value":"c13d298d8ca34e8a"}]}` + "\x00\x01\x02")
	for name, content := range map[string][]byte{
		"noise": []byte(noise(1, size)), "facts": bytes.Repeat(facts, size/len(facts)),
	} {
		for _, n := range []int{1, 1_000_000} {
			v := compile(b, dictionary(n)...)
			dir := b.TempDir()
			require.NoError(b, os.WriteFile(filepath.Join(dir, "x"), content, 0o600))
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					r, err := canary.Scan(context.Background(), []string{dir}, v, nil)
					require.NoError(b, err)
					require.True(b, r.Clean)
				}
			})
		}
	}
}
