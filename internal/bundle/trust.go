package bundle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// Trust is what the caller vouches for, and what else may be read. All of it
// comes from elsewhere than the bundle. The zero Trust vouches for nothing.
type Trust struct {
	Keys       []string      // vkeys of the log; those whose name is not the origin do not count
	KeyList    *tlog.KeyList // the log's statement about its keys, obtained elsewhere: it may be newer than the bundle's
	Policy     *tlog.Policy  // must hold as well as the keys, when both are given
	Checkpoint []byte        // signed note of the same log; vouched for by itself when neither keys nor a policy are given

	Consistency []byte       // text of the proof between the bundle's checkpoint and Checkpoint
	Tiles       tlog.Tiles   // computes that proof, and names the entry that was altered; may be nil
	Entries     tlog.Entries // to scan: shows that the stream has no other entry; may be nil
	Workers     int          // of the scan; 0: one
}

// named reports whether somebody is named who must have signed.
func (t *Trust) named() bool { return len(t.Keys) > 0 || t.KeyList != nil || t.Policy != nil }

// open verifies a checkpoint by all that is trusted, and returns whose
// signatures hold. own is the log's key list of the bundle, nil when there is
// none that is signed.
func (t *Trust) open(signed []byte, own *ownKeys) (by []string, err error) {
	if t.Policy != nil {
		cp, n, err := t.Policy.Open(signed)
		if err == nil {
			err = t.standing(cp, n, own)
		}
		if err != nil {
			return nil, err
		}
		by = signers(n)
	}
	if len(t.Keys) == 0 && t.KeyList == nil {
		return by, nil
	}
	cp, err := tlog.CheckpointOf(signed)
	if err != nil {
		return nil, err
	}
	list, err := t.keys(cp.Origin, own)
	if err != nil {
		return nil, err
	}
	_, n, err := list.Open(signed)
	if err != nil {
		return nil, err
	}
	for _, s := range signers(n) {
		if !slices.Contains(by, s) {
			by = append(by, s)
		}
	}
	return by, nil
}

// keys are all keys of the origin that are trusted, with the bounds that the
// log states of them: those given, and those of the bundle's list when one
// that was given signed it.
func (t *Trust) keys(origin string, own *ownKeys) (*tlog.KeyList, error) {
	list := &tlog.KeyList{Origin: origin}
	if t.KeyList != nil && t.KeyList.Origin == origin {
		list.Keys = slices.Clone(t.KeyList.Keys)
	}
	for _, vkey := range t.Keys {
		if name, _, _ := strings.Cut(vkey, "+"); name == origin {
			merge(list, tlog.LogKey{VKey: vkey, Until: tlog.Unbounded, Distrusted: tlog.Unbounded}, false)
		}
	}
	vouched := false
	if own != nil {
		var err error
		if vouched, err = own.signedBy(list); err != nil {
			return nil, err
		}
		for _, k := range own.list.Keys { // what it says of keys that were given can only take away from them
			at := slices.IndexFunc(list.Keys, func(have tlog.LogKey) bool { return have.VKey == k.VKey })
			if at >= 0 && slices.Contains(t.Keys, k.VKey) && !t.lists(k.VKey) {
				list.Keys[at].From, list.Keys[at].Until = k.From, k.Until
			}
			merge(list, k, !vouched)
		}
	}
	if len(list.Keys) == 0 {
		return nil, fmt.Errorf("none of the keys given is of the log %s", origin)
	}
	return list, nil
}

// lists reports whether the list that was given has the key.
func (t *Trust) lists(vkey string) bool {
	return t.KeyList != nil && slices.ContainsFunc(t.KeyList.Keys, func(k tlog.LogKey) bool { return k.VKey == vkey })
}

// merge adds a key to a list. Of one that is there already only the distrust
// is taken over: whoever says it first counts. known adds none.
func merge(list *tlog.KeyList, k tlog.LogKey, known bool) {
	for i := range list.Keys {
		have := &list.Keys[i]
		if have.VKey == k.VKey {
			if k.Distrusted >= 0 && (have.Distrusted < 0 || k.Distrusted < have.Distrusted) {
				have.Distrusted = k.Distrusted
			}
			return
		}
	}
	if !known {
		list.Keys = append(list.Keys, k)
	}
}

// standing refuses a checkpoint whose only signatures by the log are of keys
// that a list distrusts at its size. A policy knows nothing of that.
func (t *Trust) standing(cp tlog.Checkpoint, n *note.Note, own *ownKeys) error {
	var lists []*tlog.KeyList
	if t.KeyList != nil {
		lists = append(lists, t.KeyList)
	}
	if own != nil {
		lists = append(lists, own.list)
	}
	var why []string
	for _, sig := range n.Sigs {
		if sig.Name != cp.Origin {
			continue
		}
		from := distrusted(lists, sig)
		if from < 0 || cp.Size < from {
			return nil
		}
		why = append(why, fmt.Sprintf("the key %s is distrusted from size %d on", signer(sig), from))
	}
	return fmt.Errorf("%w: size %d: %s", tlog.ErrDistrusted, cp.Size, strings.Join(why, "; "))
}

// distrusted is the first size from which on any list distrusts the key of a
// signature, -1 for none.
func distrusted(lists []*tlog.KeyList, sig note.Signature) int64 {
	first := int64(tlog.Unbounded)
	for _, l := range lists {
		for _, k := range l.Keys {
			if !strings.HasPrefix(k.VKey, signer(sig)+"+") || k.Distrusted < 0 {
				continue
			}
			if first < 0 || k.Distrusted < first {
				first = k.Distrusted
			}
		}
	}
	return first
}

// signer is how a signature's key is named: as its vkey begins.
func signer(sig note.Signature) string { return fmt.Sprintf("%s+%08x", sig.Name, sig.Hash) }

func signers(n *note.Note) (out []string) {
	for _, sig := range n.Sigs {
		out = append(out, signer(sig))
	}
	return out
}

// ownKeys is a log's key list as its signed note has it.
type ownKeys struct {
	list   *tlog.KeyList
	signed []byte
}

// signedBy reports whether a key of the list that is not distrusted at any
// size signed the note: a key list has no size.
func (o *ownKeys) signedBy(list *tlog.KeyList) (bool, error) {
	var known []note.Verifier
	for _, k := range list.Keys {
		if k.Distrusted >= 0 {
			continue
		}
		v, err := tlog.NewVerifier(k.VKey)
		if err != nil {
			return false, err
		}
		known = append(known, v)
	}
	_, err := tlog.OpenNote(o.signed, note.VerifierList(known...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return false, nil
	}
	return err == nil, err
}

// openKeys checks the log's own key list: it is of this log, a key that it
// lists signed it, and a key that counts by it signed the checkpoint.
func (c *content) openKeys(r *Report) {
	if c.in.LogKeys == nil {
		r.find(CheckCheckpoint, nameLogKeys, "the file is missing", "the log's statement about its keys was left out or renamed; which of them count cannot be told")
		return
	}
	const altered = "the log's statement about its keys was altered, or is another log's"
	text, _, err := tlog.SplitNote(c.in.LogKeys)
	if err != nil {
		r.find(CheckCheckpoint, nameLogKeys, err.Error(), altered)
		return
	}
	list, err := tlog.ParseKeyList(text)
	if err != nil {
		r.find(CheckCheckpoint, nameLogKeys, err.Error(), altered)
		return
	}
	own := &ownKeys{list, c.in.LogKeys}
	signed, err := own.signedBy(list)
	switch {
	case err != nil:
		r.find(CheckCheckpoint, nameLogKeys, err.Error(), altered)
		return
	case !signed:
		r.find(CheckCheckpoint, nameLogKeys, "no key that it lists, and does not call distrusted, signed it", altered)
		return
	}
	c.keys = own
	if _, _, err := list.Open(c.in.Checkpoint); err != nil {
		r.find(CheckCheckpoint, nameCheckpoint, err.Error(), meansOf(err, "the checkpoint or its signature was altered, or the log's key list is another's"))
	}
}

// invalid reports whether a signature claims to be by a known key and is not.
func invalid(err error) bool {
	var e *note.InvalidSignatureError
	return errors.As(err, &e)
}

// meansOf says what a checkpoint that does not open means.
func meansOf(err error, otherwise string) string {
	var quorum *tlog.QuorumError
	switch {
	case errors.Is(err, tlog.ErrDistrusted):
		return "whoever has the compromised key could have made this checkpoint: it is refused"
	case errors.As(err, &quorum):
		return "too few witnesses saw this checkpoint: the operator could have shown others another history"
	case invalid(err):
		return "the checkpoint or a signature under it was altered"
	}
	return otherwise
}

// unknown lists the signatures of a note whose keys nobody here knows.
func unknown(signed []byte, known []string) (out []string) {
	_, sigs, err := tlog.SplitNote(signed)
	if err != nil {
		return nil
	}
	for _, sig := range sigs {
		if !slices.Contains(known, signer(sig)) {
			out = append(out, signer(sig))
		}
	}
	return out
}
