package tlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// LogKey is a key of a log and the checkpoints that it signs.
type LogKey struct {
	VKey       string
	From       int64 // size of the first checkpoint it may sign
	Until      int64 // size of the last; Unbounded while it goes on
	Distrusted int64 // signatures count below this size only; Unbounded while all do
}

// Unbounded is the size that stands for no bound.
const Unbounded = -1

// Counts reports whether the key's signature of a checkpoint of this size
// counts.
func (k LogKey) Counts(size int64) bool {
	return k.From <= size && (k.Until < 0 || size <= k.Until) && (k.Distrusted < 0 || size < k.Distrusted)
}

// why says why a signature at a size does not count.
func (k LogKey) why(size int64) string {
	switch {
	case k.Distrusted >= 0 && size >= k.Distrusted:
		return fmt.Sprintf("is distrusted from size %d on", k.Distrusted)
	case size < k.From:
		return fmt.Sprintf("signs from size %d on", k.From)
	default:
		return fmt.Sprintf("signed until size %d", k.Until)
	}
}

// KeyList is a log's statement about its own keys: which sign, from and until
// which size, and which were compromised. It is the text of a signed note; who
// must have signed it is the caller's to say.
type KeyList struct {
	Origin string
	Keys   []LogKey // at least one; the key names are the origin
}

// KeyListHeader is the first line of a key list.
const KeyListHeader = "lethe log keys v1"

// Errors of KeyList.Open.
var (
	ErrDistrusted  = errors.New("the checkpoint is signed by a distrusted key only")
	ErrNoSignature = errors.New("no key of the log that counts signed the checkpoint")
)

// Text writes the list:
//
//	lethe log keys v1
//	<origin>
//	<vkey> from <size> [until <size>] [distrusted <size>]     one or more
func (k *KeyList) Text() string {
	b := []byte(KeyListHeader + "\n" + k.Origin + "\n")
	for _, key := range k.Keys {
		b = fmt.Appendf(b, "%s from %d", key.VKey, key.From)
		if key.Until >= 0 {
			b = fmt.Appendf(b, " until %d", key.Until)
		}
		if key.Distrusted >= 0 {
			b = fmt.Appendf(b, " distrusted %d", key.Distrusted)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// ParseKeyList is the strict inverse of Text. A public key stands at most once.
func ParseKeyList(text string) (*KeyList, error) {
	k, err := parseKeyList(text)
	if err != nil {
		return nil, fmt.Errorf("parsing a key list: %w", err)
	}
	return k, nil
}

func parseKeyList(text string) (*KeyList, error) {
	if len(text) > MaxKeyList {
		return nil, fmt.Errorf("%d bytes, more than %d", len(text), MaxKeyList)
	}
	rest, ok := strings.CutPrefix(text, KeyListHeader+"\n")
	if !ok {
		return nil, fmt.Errorf("line 1 is not %q", KeyListHeader)
	}
	k := &KeyList{}
	if k.Origin, rest, ok = cutLine(rest); !ok {
		return nil, errors.New("line 2: no origin")
	}
	if err := checkName(k.Origin); err != nil {
		return nil, fmt.Errorf("line 2: %w", err)
	}
	seen := map[string]int{}
	for n := 3; rest != ""; n++ {
		line, after, ok := cutLine(rest)
		if !ok {
			return nil, fmt.Errorf("line %d: no newline at the end", n)
		}
		key, err := k.parseKey(line, seen, n)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		k.Keys, rest = append(k.Keys, key), after
	}
	if len(k.Keys) == 0 {
		return nil, errors.New("no key")
	}
	return k, nil
}

func (k *KeyList) parseKey(line string, seen map[string]int, n int) (LogKey, error) {
	key, err := parseLogKey(line)
	if err != nil {
		return key, err
	}
	v, err := newVerifier(key.VKey)
	if err != nil {
		return key, err
	}
	if !v.alg.LogSigns() {
		return key, fmt.Errorf("%s is no key of a log", v.alg)
	}
	if v.name != k.Origin {
		return key, fmt.Errorf("the key's name %s is not the origin %s", quoted(v.name), quoted(k.Origin))
	}
	id := strconv.FormatUint(uint64(v.hash), 16) // a note cannot tell two keys of one ID apart
	for _, same := range []string{id, string(v.public)} {
		if at, dup := seen[same]; dup {
			return key, fmt.Errorf("the key stands on line %d already", at)
		}
		seen[same] = n
	}
	return key, nil
}

func parseLogKey(line string) (LogKey, error) {
	words := strings.Split(line, " ")
	k := LogKey{VKey: words[0], Until: Unbounded, Distrusted: Unbounded}
	bounds := []struct {
		word  string
		into  *int64
		needs bool
	}{{"from", &k.From, true}, {"until", &k.Until, false}, {"distrusted", &k.Distrusted, false}}
	words = words[1:]
	for _, b := range bounds {
		if len(words) < 2 || words[0] != b.word {
			if b.needs {
				return k, errors.New("not of the form: <vkey> from <size> [until <size>] [distrusted <size>]")
			}
			continue
		}
		n, err := ParseSize(words[1])
		if err != nil {
			return k, fmt.Errorf("%s: %w", b.word, err)
		}
		*b.into, words = n, words[2:]
	}
	switch {
	case len(words) > 0:
		return k, fmt.Errorf("%s follows the key", quoted(strings.Join(words, " ")))
	case k.Until >= 0 && k.Until < k.From:
		return k, fmt.Errorf("until %d is before from %d", k.Until, k.From)
	}
	return k, nil
}

// Open verifies a checkpoint of the log's origin: a key that counts at its
// size signed it. The note's Sigs are those signatures; those of the log's
// other keys are among the unverified. Errors: ErrMalformed, ErrNoSignature,
// ErrDistrusted, *note.InvalidSignatureError.
func (k *KeyList) Open(signedNote []byte) (Checkpoint, *note.Note, error) {
	c, n, err := k.open(signedNote)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("verifying a checkpoint by the log's keys: %w", err)
	}
	return c, n, nil
}

func (k *KeyList) open(signedNote []byte) (Checkpoint, *note.Note, error) {
	c, err := CheckpointOf(signedNote)
	if err != nil {
		return c, nil, err
	}
	if c.Origin != k.Origin {
		return c, nil, fmt.Errorf("the checkpoint's origin %s is not %s", quoted(c.Origin), quoted(k.Origin))
	}
	keys, list := map[uint32]LogKey{}, []note.Verifier{}
	for _, key := range k.Keys {
		v, err := newVerifier(key.VKey)
		if err != nil {
			return c, nil, err
		}
		keys[v.hash], list = key, append(list, v)
	}
	n, err := OpenNote(signedNote, note.VerifierList(list...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return c, nil, ErrNoSignature
	}
	if err != nil {
		return c, nil, err
	}
	if err := sift(n, keys, c.Size); err != nil {
		return c, nil, err
	}
	return c, n, c.Check()
}

// sift moves signatures that do not count to the unverified ones; when none is
// left, the error says why.
func sift(n *note.Note, keys map[uint32]LogKey, size int64) error {
	var counting []note.Signature
	var whys []string
	failed := ErrNoSignature
	for _, sig := range n.Sigs {
		key := keys[sig.Hash]
		if key.Counts(size) {
			counting = append(counting, sig)
			continue
		}
		if key.Distrusted >= 0 && size >= key.Distrusted {
			failed = ErrDistrusted
		}
		whys = append(whys, fmt.Sprintf("the key %s+%08x %s", sig.Name, sig.Hash, key.why(size)))
		n.UnverifiedSigs = append(n.UnverifiedSigs, sig)
	}
	if n.Sigs = counting; len(counting) == 0 {
		return fmt.Errorf("%w: size %d: %s", failed, size, strings.Join(whys, "; "))
	}
	return nil
}
