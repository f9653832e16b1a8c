package bundle

import (
	"context"
	"fmt"
	"strings"

	"lethe/internal/tlog"
)

// tree is the tree that is checked and who vouches for it.
type tree struct {
	signed   []byte
	cp       tlog.Checkpoint
	own      *ownKeys
	restarts []restarted
}

// anchor finds out whether somebody whom the caller trusts vouches for the
// tree: its own signatures do, or those of a newer tree that it is part of.
// vouched names the keys whose signatures under it are vouched for. The error
// says that something could not be read.
func anchor(ctx context.Context, tr tree, t *Trust, r *Report) (anchored bool, vouched []string, err error) {
	by, own := []string(nil), error(nil)
	if t.named() {
		by, own = t.open(tr.signed, tr.own)
	}
	part, broken := partOf(ctx, tr, t, r)
	switch {
	case own != nil && (!part || invalid(own)):
		r.find(CheckTrust, nameCheckpoint, own.Error(), meansOf(own, "nobody whom you trust vouches for this tree: it may be another log's, or made up"))
		r.close(CheckTrust, "")
	case own != nil:
		r.close(CheckTrust, "by the checkpoint that was given; this one's own signatures do not count here: %v", own)
	case t.named():
		r.close(CheckTrust, "signed by %s%s", strings.Join(by, ", "), unverified(tr.signed, by))
	case part:
		r.close(CheckTrust, "by the checkpoint that was given; its signatures were not checked, as no key was given")
	case t.Checkpoint != nil:
		r.skip(CheckTrust, "no key and no policy was given, and the checkpoint that was given does not vouch for it: it is signed by a key that nobody vouched for here")
	default:
		r.skip(CheckTrust, "no key, policy or checkpoint was given: it is signed by a key that nobody vouched for here")
	}
	return t.named() && own == nil || part, by, broken
}

// unverified says which signatures nobody here could check.
func unverified(signed []byte, by []string) string {
	if others := unknown(signed, by); len(others) > 0 {
		return fmt.Sprintf("; not checked, as their keys were not given: %s", strings.Join(others, ", "))
	}
	return ""
}

// partOf checks the tree against the checkpoint that was given, and reports
// whether that one vouches for it: the tree is the same or an older part.
func partOf(ctx context.Context, tr tree, t *Trust, r *Report) (bool, error) {
	if t.Checkpoint == nil {
		r.skip(CheckNewer, "no other checkpoint was given")
		return false, nil
	}
	const where = "the checkpoint given"
	cp, err := tlog.CheckpointOf(t.Checkpoint)
	switch {
	case err != nil:
		r.find(CheckNewer, where, err.Error(), "it is no checkpoint")
	case cp.Origin != tr.cp.Origin:
		otherName(tr, cp, r)
		return false, nil // it vouches for nothing that came after it
	case t.named():
		if _, err := t.open(t.Checkpoint, tr.own); err != nil {
			r.find(CheckNewer, where, err.Error(), meansOf(err, "nobody whom you trust vouches for it"))
		}
	}
	if r.failed(CheckNewer) {
		r.close(CheckNewer, "")
		return false, nil
	}
	compared, err := consistent(ctx, tr.cp, cp, t, r)
	if err != nil {
		r.undone(CheckNewer, "it has another size, %d, and the tiles could not be read to compare it", cp.Size)
		return false, err
	}
	if !compared {
		r.undone(CheckNewer, "it has another size, %d, and there is nothing to compare it by: give --consistency or --tiles", cp.Size)
		return false, nil
	}
	r.close(CheckNewer, "the trees of sizes %d and %d begin with the same entries", tr.cp.Size, cp.Size)
	return !r.failed(CheckNewer) && cp.Size >= tr.cp.Size, nil
}

// consistent compares two checkpoints of one log; false means that there is
// nothing to do it by.
func consistent(ctx context.Context, a, b tlog.Checkpoint, t *Trust, r *Report) (compared bool, err error) {
	if a.Size > b.Size {
		a, b = b, a
	}
	var path []tlog.Hash
	switch {
	case a.Size == b.Size:
	case t.Consistency != nil:
		from, to, p, err := tlog.ParseConsistency(t.Consistency)
		if err == nil && (from != a.Size || to != b.Size) {
			err = fmt.Errorf("it is for the sizes %d and %d, needed are %d and %d", from, to, a.Size, b.Size)
		}
		if err != nil {
			r.find(CheckNewer, "the consistency proof", err.Error(), "the two checkpoints cannot be compared by it")
			return true, nil
		}
		path = p
	case t.Tiles != nil:
		tiles := &watched{tiles: t.Tiles}
		if path, err = tlog.Consistency(ctx, tiles, b.Size, b.Root, a.Size); tiles.err != nil {
			return false, fmt.Errorf("comparing checkpoints by tiles: %w", err)
		}
		if err != nil {
			r.find(CheckNewer, "the tiles", err.Error(), "they are not of the tree that the checkpoint signs")
			return true, nil
		}
	default:
		return false, nil
	}
	if err := tlog.VerifyConsistency(path, a.Size, a.Root, b.Size, b.Root); err != nil {
		r.find(CheckNewer, nameCheckpoint, err.Error(), "the log signed two histories, of which the larger does not begin with the smaller, or the proof is of other trees")
	}
	return true, nil
}

// watched tells a source that cannot be read from one that gives tiles of
// another tree.
type watched struct {
	tiles tlog.Tiles
	err   error
}

func (w *watched) ReadTile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	b, err := w.tiles.ReadTile(ctx, level, n, width)
	if err != nil {
		w.err = err
	}
	return b, err
}
