package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"lethe/eventstore"
	"lethe/internal/codec"
	"lethe/internal/durable"
	"lethe/internal/keyring"
	"lethe/internal/tlog"
)

// indexDir is how the store names its index.
const indexDir = "index"

// Refused is the result of an audit that could not begin, because opening the
// ledger in a data directory found it damaged: that is a finding. false means
// that it could not be opened for another reason, and nothing is known of it:
// the root key is missing, or a part is in use or may not be read.
func Refused(data string, err error) (Result, bool) {
	f := Finding{Step: StepOpening, Where: "the data directory", What: err.Error()}
	var corrupt *eventstore.CorruptError
	var signature *note.InvalidSignatureError
	switch {
	case errors.As(err, &corrupt) && corrupt.File == indexDir:
		f.Where, f.Means = "log/"+indexDir, "the index is damaged, not the log: stop the program and remove that directory; it is made again from the log, and no event is lost"
	case errors.Is(err, eventstore.ErrFormat):
		f.Where = "log/FORMAT"
		f.Means = "if no newer program ever ran here, the file is damaged: put it back from a backup. No event is lost"
	case errors.Is(err, keyring.ErrEpochsMissing):
		f.Where = "the epoch keys"
		f.Means = "keys are gone, not erased: mount the directory, or name another place of them with --epoch-replica. They are in no backup, by design: without any place of them no value can ever be opened"
	case errors.Is(err, keyring.ErrStoreMissing):
		f.Where = "the key store"
		f.Means = "keys are gone, not erased: mount their directory, or put it back from its backup; until then no value can be opened"
	case errors.As(err, &corrupt):
		f.Where = fmt.Sprintf("%s, offset %d", logFile(corrupt.File), corrupt.Offset)
		f.Means = "the log cannot be used: acknowledged events are damaged or gone. Keep a copy as it is, and restore the newest backup"
	case errors.Is(err, keyring.ErrRootWrong):
		f.Where = "the root key"
		f.Means = "it is another one's, or it or the key store is damaged: put back the root key that was kept elsewhere, and if it is that, the key store. Until then no value can be opened or stored, and none counts as erased for it"
	case keyring.IsDamage(err):
		f.Where = "the key store"
		f.Means = "no value can be opened or stored, and none counts as erased for it: put the damaged file back from its backup, and apply the erasures since then again"
	case errors.Is(err, durable.ErrDamaged), errors.Is(err, tlog.ErrMalformed), errors.Is(err, tlog.ErrNoSignature),
		errors.Is(err, tlog.ErrDistrusted), errors.As(err, &signature):
		f.Where = "the seal"
		f.Means = "the program refuses to sign on top of it. The message says which file it is; the tiles and the known checkpoints can be compared with the log once it is put right"
	case errors.Is(err, codec.ErrUnknownType), errors.Is(err, codec.ErrParts):
		f.Where = "the log"
		f.Means = meansUndecodable
	case gone(data, err):
		f.Means = "a file of the ledger was removed: put it back from a backup or, if it is a tile, from a mirror"
	default:
		return Result{}, false
	}
	return Result{
		Steps:    []Step{{Name: StepOpening, Checked: 1, Of: "openings", Findings: 1}},
		Findings: []Finding{f},
	}, true
}

// gone reports whether a file is missing that belongs to the log or the seal:
// whoever opens them knows that it must be there.
func gone(data string, err error) bool {
	var missing *fs.PathError
	if !errors.As(err, &missing) || !errors.Is(missing.Err, fs.ErrNotExist) {
		return false
	}
	rel, err := filepath.Rel(data, missing.Path)
	if err != nil {
		return false
	}
	part, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return part == "log" || part == "seal"
}
