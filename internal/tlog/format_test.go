package tlog_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"lethe/internal/tlog"
)

// The example of c2sp.org/signed-note that is complete.
const (
	exampleKey  = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	exampleNote = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

func TestSignedNoteExample(t *testing.T) {
	v, err := tlog.NewVerifier(exampleKey)
	require.NoError(t, err)
	n, err := tlog.OpenNote([]byte(exampleNote), note.VerifierList(v))
	require.NoError(t, err)
	require.Equal(t, "This is an example message.\n", n.Text)
	require.Equal(t, exampleNote, n.Text+"\n"+tlog.FormatSignature(n.Sigs[0]))
	id, err := tlog.KeyID(exampleKey)
	require.NoError(t, err)
	require.Equal(t, "530d903a", id)

	_, err = tlog.OpenNote([]byte(strings.Replace(exampleNote, "an example", "my example", 1)), note.VerifierList(v))
	var invalid *note.InvalidSignatureError
	require.ErrorAs(t, err, &invalid)
	_, err = tlog.OpenNote([]byte(exampleNote), nil)
	var unverified *note.UnverifiedNoteError
	require.ErrorAs(t, err, &unverified)
}

// The example of c2sp.org/tlog-cosignature, whose keys are not published.
func TestCosignatureExample(t *testing.T) {
	const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	const signed = text + "\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
		"— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
	c, err := tlog.CheckpointOf([]byte(signed))
	require.NoError(t, err)
	require.Equal(t, "example.com/behind-the-sofa", c.Origin)
	require.Equal(t, int64(20852163), c.Size)
	require.Equal(t, text, c.Text())
	_, sigs, err := tlog.SplitNote([]byte(signed))
	require.NoError(t, err)
	_, timed := tlog.SignatureTime(sigs[0])
	require.False(t, timed)
	at, timed := tlog.SignatureTime(sigs[1])
	require.True(t, timed)
	require.Equal(t, int64(stamp), at.Unix())
}

// Our signer and verifier are those of x/mod, and the key ID is its.
func TestSignerAgainstXMod(t *testing.T) {
	a := logActor(t, origin, "log")
	theirs, err := note.NewVerifier(a.vkey)
	require.NoError(t, err)
	signed := sign(t, "a text\n", a)
	_, err = note.Open(signed, note.VerifierList(theirs))
	require.NoError(t, err)
	_, err = tlog.OpenNote(signed, note.VerifierList(a.verifier))
	require.NoError(t, err)
	raw := append([]byte{1}, seed("log")...)
	them, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, a.KeyHash(), base64.StdEncoding.EncodeToString(raw)))
	require.NoError(t, err)
	again, err := note.Sign(&note.Note{Text: "a text\n"}, them)
	require.NoError(t, err)
	require.Equal(t, string(signed), string(again))
}

func TestCheckpointsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tlog.Checkpoint{
			Origin:    rapid.StringMatching(`[a-zé ./+]{1,40}`).Draw(t, "origin"),
			Size:      rapid.Int64Range(0, tlog.MaxSize).Draw(t, "size"),
			Root:      sumdb.RecordHash([]byte(rapid.String().Draw(t, "root"))),
			Extension: rapid.StringMatching(`([a-z —]{1,9}\n){0,3}`).Draw(t, "extension"),
		}
		back, err := tlog.ParseCheckpoint(c.Text())
		require.NoError(t, err)
		require.Equal(t, c, back)
	})
}

func TestNoteLimits(t *testing.T) {
	text := tlog.Checkpoint{Origin: origin, Size: 1, Root: leafHash(0)}.Text()
	line := string(sign(t, text, logActor(t, origin, "log"))[len(text)+1:])
	_, _, err := tlog.SplitNote([]byte(text + "\n" + strings.Repeat(line, 100)))
	require.NoError(t, err)
	_, _, err = tlog.SplitNote([]byte(text + "\n" + strings.Repeat(line, 101)))
	require.ErrorIs(t, err, tlog.ErrMalformed)
	_, err = tlog.CheckpointOf([]byte(strings.Repeat("x\n", tlog.MaxNote/2) + "\n" + line))
	require.ErrorIs(t, err, tlog.ErrMalformed)
	_, err = tlog.ParseCheckpoint(text + strings.Repeat("x", tlog.MaxNote) + "\n")
	require.Error(t, err)
}

func TestProofsRoundTrip(t *testing.T) {
	signed := vector(t, "checkpoint-cosigned")
	hashes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tlog.Hash { return leafHash(rapid.Int().Draw(t, "leaf")) }), 0, tlog.MaxPath)
	rapid.Check(t, func(t *rapid.T) {
		p := &tlog.Proof{
			Extra: rapid.SliceOf(rapid.Byte()).Draw(t, "extra"), Index: rapid.Int64Range(0, 999).Draw(t, "index"),
			Path: hashes.Draw(t, "path"), Checkpoint: signed,
		}
		b := p.Marshal()
		back, err := tlog.ParseProof(b)
		require.NoError(t, err)
		require.Equal(t, string(b), string(back.Marshal()))
		require.Equal(t, p.Index, back.Index)
		require.True(t, bytes.Equal(p.Extra, back.Extra))

		to := rapid.Int64Range(0, tlog.MaxSize).Draw(t, "to")
		from := rapid.Int64Range(0, to).Draw(t, "from")
		b = tlog.MarshalConsistency(from, to, p.Path)
		gotFrom, gotTo, path, err := tlog.ParseConsistency(b)
		require.NoError(t, err)
		require.Equal(t, string(b), string(tlog.MarshalConsistency(gotFrom, gotTo, path)))
	})
	p := tlog.Proof{Index: 1000, Checkpoint: signed}
	_, err := tlog.ParseProof(p.Marshal())
	require.ErrorContains(t, err, "no leaf 1000")
	p = tlog.Proof{Path: make([]tlog.Hash, tlog.MaxPath+1), Checkpoint: signed}
	_, err = tlog.ParseProof(p.Marshal())
	require.ErrorContains(t, err, "more than 64 hashes")
	p = tlog.Proof{Extra: make([]byte, tlog.MaxExtra+1), Checkpoint: signed}
	_, err = tlog.ParseProof(p.Marshal())
	require.ErrorContains(t, err, "extra data")
}
